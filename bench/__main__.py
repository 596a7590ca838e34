"""Print the table: `python -m bench [--json] [--only NAME ...] [--quick]`."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

MODULES = {
    "decision": ("decision.joints", "cycle.joints", "measured.", "trajectory.", "startup."),
    "full": ("decision.full", "decision.margin", "decision.limited", "cycle.full", "prepare.full"),
    "standing": ("decision.full", "decision.margin", "cycle.full", "prepare.full"),
    "compare": ("compare.",),
    "people": ("people.",),
    "balance": ("balance.",),
    "log": ("log.append", "log.event", "log.cycle"),
    "decisions": ("log.derive", "log.verify"),
    "policy": ("policy.",),
    "interventions": ("interventions.",),
    "floods": ("floods.",),
    "anomaly": ("anomaly.",),
    "estop": ("estop.link", "estop.idle"),
    "scenarios": ("scenario.",),
    "relay": ("relay.",),
    "deadlines": ("deadlines.",),
    "estop_port": ("estop.line", "estop.port", "estop.take", "estop.press"),
}
"""Module `bench.bench_NAME` to the names of its rows."""


def main() -> int:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one list of rows, times in microseconds")
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="rows whose name begins so, such as decision or relay"
    )
    parser.add_argument("--quick", action="store_true", help="few samples: to see that it runs, not to quote")
    parser.add_argument("--robot", choices=("panda", "g1"), default="panda", help="of `deadlines`")
    arguments = parser.parse_args()
    rows = []
    for name, prefixes in MODULES.items():
        wanted = arguments.only is None or any(
            prefix.startswith(only) or only.startswith(prefix) for only in arguments.only for prefix in prefixes
        )
        if not wanted or not (Path(__file__).parent / f"bench_{name}.py").exists():
            continue
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        which = {"robot": arguments.robot} if name == "deadlines" else {}
        rows += importlib.import_module(f"bench.bench_{name}").rows(quick=arguments.quick, **which)
    if arguments.only is not None:
        rows = [row for row in rows if any(row["name"].startswith(only) for only in arguments.only)]
    if arguments.json:
        print(json.dumps(rows))
        return 0
    from rich.console import Console
    from rich.table import Table

    table = Table(title="times in us: CPU of the measured thread, wall")
    for column in ("name", "n", "CPU median", "p99", "p99.9", "max", "wall median", "p99", "p99.9", "max", "remarks"):
        table.add_column(column, justify="left" if column in ("name", "remarks") else "right")
    known = {"name", "robot", "joints", "pairs", "n", "cpu_us", "wall_us", "checks"}
    for row in rows:
        times = [
            "" if row[kind] is None else f"{row[kind][share]:.1f}"
            for kind in ("cpu_us", "wall_us")
            for share in ("median", "p99", "p999", "max")
        ]
        remarks = ", ".join(f"{key} {value}" for key, value in row.items() if key not in known)
        table.add_row(row["name"], str(row["n"]), *times, remarks)
    console = Console(width=170)
    console.print(table)
    said: set[str] = set()
    for row in rows:
        if row.get("checks", "") not in said | {""}:
            console.print(f"{row['name']} checks: {row['checks']}", highlight=False)
            said.add(row["checks"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
