#!/usr/bin/env bash
# Write requirements/pyXY.txt, one lock file with hashes for each supported Python.
# Usage: scripts/lock.sh [--upgrade]; needs .venv (make lock sees to that).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

extras=(--extra ros --extra sim --extra campaign --extra picture --extra panel --extra metrics --extra evidence --extra dev)
for minor in 10 11 12 13; do
    lock="requirements/py3${minor}.txt"
    sed -i '/^#/d' "$lock"
    # --no-config and --no-emit-…: neither this machine's settings nor its package hosts enter a lock file.
    .venv/bin/uv --no-config pip compile setup.py "${extras[@]}" --output-file "$lock" \
        --python-version "3.${minor}" --generate-hashes --no-annotate --no-header \
        --no-emit-index-url --no-emit-find-links --quiet "$@"
    sed -i "1i # Python 3.${minor}: packages of setup.py with all extras. Written by: make lock" "$lock"
    echo "$lock: $(grep -c '==' "$lock") packages"
done
