"""The supervisor bound by file permissions, root too: `without_override.py --ros-args -p config_file:=FILE`."""

from __future__ import annotations

import ctypes
import os
import sys

_PR_CAPBSET_DROP = 24
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2

if __name__ == "__main__":
    for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
        ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # without effect for an ordinary user
    os.execv(sys.executable, [sys.executable, "-m", "safety_supervisor.ros.main", *sys.argv[1:]])
