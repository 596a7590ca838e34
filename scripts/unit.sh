#!/usr/bin/env bash
# Run pytest: what computes in two processes at a time, then what needs the machine to itself.
# Usage: scripts/unit.sh [PYTEST_ARGUMENTS]; with arguments pytest runs once, with them.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# = 0 ] || exec .venv/bin/pytest "$@"

other=$(mktemp)
trap 'rm -f "$other"' EXIT
# Real processes and simulated cells miss their deadlines beside a busy neighbour: these come last, and alone.
computing=(test/test_*.py)
for folder in test/*/; do
    case $folder in
    test/core/ | test/ros/ | test/sim/ | test/launch/ | */__pycache__/) ;;
    *) computing+=("$folder") ;;
    esac
done
.venv/bin/pytest "${computing[@]}" >"$other" 2>&1 &
status=0
.venv/bin/pytest test/core || status=1
wait $! || status=1
cat "$other"
.venv/bin/pytest test/ros test/sim || status=1
exit $status
