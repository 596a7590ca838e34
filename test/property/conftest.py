"""The rig of the core's tests is used here too."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
sys.path.insert(0, str(Path(__file__).parent))

from stages import _shared_stages, fresh_stages  # noqa: F401  fixtures
