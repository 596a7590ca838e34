"""Write the generated documents, or check that they are current: `make docs`, `make check-docs`.

Without arguments: write. `--check`: exit 1 when one is stale, or when something is claimed that no test proves.
`--results FILE`: print what became of the tests of each claim in the run that wrote FILE (`pytest --junitxml=FILE`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from doc_reference import configuration, error_codes
from doc_traceability import results, traceability, untraced

from safety_supervisor.core.states.state_table import render_states

ROOT = Path(__file__).resolve().parents[1]

DOCUMENTS: dict[str, Callable[[Path], str]] = {
    "docs/error_codes.md": error_codes,
    "docs/configuration.md": configuration,
    "docs/traceability.md": traceability,
    "docs/states.md": lambda _root: render_states(),
}


def stale(root: Path) -> list[str]:
    """Return the documents that differ from what would be written."""
    found = []
    for name, render in DOCUMENTS.items():
        path = root / name
        if not path.is_file() or path.read_text(encoding="utf-8") != render(root):
            found.append(name)
    return found


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Write or check; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 when something is stale or unproven"
    )
    parser.add_argument("--results", type=Path, metavar="FILE", help="print the claims' results of a run")
    options = parser.parse_args(arguments)
    if options.results is not None:
        print(results(root, options.results))
        return 0
    if not options.check:
        for name, render in DOCUMENTS.items():
            (root / name).write_text(render(root), encoding="utf-8")
        return 0
    wrong = [f"{name} is stale: make docs" for name in stale(root)] + untraced(root)
    for line in wrong:
        print(line, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
