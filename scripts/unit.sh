#!/usr/bin/env bash
# Run pytest: what computes on all cores, then what needs the machine to itself.
# Usage: scripts/unit.sh [PYTEST_ARGUMENTS]; with arguments pytest runs once, with them.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# = 0 ] || exec .venv/bin/pytest "$@"

# Real processes and simulated cells miss their deadlines beside a busy neighbour: these come last, and alone.
alone=(test/ros test/sim --ignore=test/sim/lab --ignore=test/sim/oracle)
computing=(test/sim/lab test/sim/oracle test/test_*.py)
for folder in test/*/; do # a new folder comes into this part by itself
    case " ${alone[*]} test/launch test/__pycache__ " in
    *" ${folder%/} "*) ;;
    *) computing+=("${folder%/}") ;;
    esac
done
status=0
# worksteal: a core that has no tests left takes half of what another one still has.
.venv/bin/pytest --numprocesses=auto --dist=worksteal "${computing[@]}" || status=1
.venv/bin/pytest "${alone[@]}" || status=1
exit $status
