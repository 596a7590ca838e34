#!/usr/bin/env bash
# Run pytest: what needs the machine to itself, and below it, on what it leaves of all cores, what computes.
# Usage: scripts/unit.sh [PYTEST_ARGUMENTS]; with arguments pytest runs once, with them.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# = 0 ] || exec .venv/bin/pytest "$@"

# Real processes and simulated cells miss their deadlines beside a busy neighbour of their own rank: alone in theirs.
alone=(test/ros test/sim --ignore=test/sim/lab --ignore=test/sim/oracle)
computing=(test/sim/lab test/sim/oracle test/test_*.py)
for folder in test/*/; do # a new folder comes into this part by itself
    case " ${alone[*]} test/launch test/__pycache__ " in
    *" ${folder%/} "*) ;;
    *) computing+=("${folder%/}") ;;
    esac
done
# What computes takes what is left of the cores meanwhile, below every ordinary program: it can wait, they can not.
idle=(nice -n 19)
command -v chrt >/dev/null && idle=(chrt --idle 0)
computed=$(mktemp)
trap 'rm -f "$computed"' EXIT
# worksteal: a core that has no tests left takes half of what another one still has.
"${idle[@]}" .venv/bin/pytest --numprocesses=auto --dist=worksteal --timeout=600 "${computing[@]}" >"$computed" 2>&1 &
status=0
.venv/bin/pytest "${alone[@]}" || status=1
wait $! || status=1
cat "$computed"
exit $status
