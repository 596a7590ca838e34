"""How a module of ours is run as a process of its own: never with the working directory on its path.

`python -m` looks for every import in the working directory first. Whoever may write there, such as an agent in /tmp,
would put a module of its own in the place of one of ours, into the process that verifies signatures for one.
"""

from __future__ import annotations

import sys


def module_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module, with its arguments."""
    if sys.version_info >= (3, 11):
        return [sys.executable, "-P", "-m", module, *arguments]
    run = f"runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    return [sys.executable, "-c", f"import sys; del sys.path[0]; import runpy; {run}", *arguments]
