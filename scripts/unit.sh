#!/usr/bin/env bash
# Run pytest: what computes in two processes at a time, then what needs the machine to itself.
# Usage: scripts/unit.sh [PYTEST_ARGUMENTS]; with arguments pytest runs once, with them.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# = 0 ] || exec .venv/bin/pytest "$@"

other=$(mktemp)
trap 'rm -f "$other"' EXIT
# Two shares that take about as long; a new folder comes into the second one by itself.
first=(test/core --ignore-glob="*/test_supervisor_*.py")
second=(test/core/test_supervisor_*.py test/sim/lab test/sim/oracle test/test_*.py)
# Real processes and simulated cells miss their deadlines beside a busy neighbour: these come last, and alone.
alone=(test/ros test/sim --ignore=test/sim/lab --ignore=test/sim/oracle)
for folder in test/*/; do
    case " test/core ${alone[*]} test/launch test/__pycache__ " in
    *" ${folder%/} "*) ;;
    *) second+=("${folder%/}") ;;
    esac
done
.venv/bin/pytest "${second[@]}" >"$other" 2>&1 &
status=0
.venv/bin/pytest "${first[@]}" || status=1
wait $! || status=1
cat "$other"
.venv/bin/pytest "${alone[@]}" || status=1
exit $status
