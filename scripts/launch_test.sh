#!/usr/bin/env bash
# Build the package with colcon and run the launch tests against the build.
# Usage: scripts/launch_test.sh [PYTHON]; PYTHON must have launch, launch_ros, launch_testing and colcon (default: .venv).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=$(realpath --no-symlinks "${1:-.venv/bin/python}")

if ! "$python" -c 'import launch_ros, launch_testing' 2>/dev/null; then
    echo 'launch tests not run: the `launch` package is not installed; it comes with a ROS 2 installation'
    exit 0
fi

# A domain of its own: nothing else on this machine may answer.
export ROS_DOMAIN_ID=${ROS_DOMAIN_ID:-$((RANDOM % 90 + 10))} ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" -m colcon --log-base "$work/log" build --base-paths . --build-base "$work/build" --install-base "$work/install" \
    --event-handlers console_direct- status- >"$work/build.txt" 2>&1 || {
    cat "$work/build.txt" >&2
    exit 1
}
set +u # colcon's script reads variables that may be unset
source "$work/install/local_setup.bash"
set -u
for test in test/launch/test_*.py; do
    "$python" -m launch_testing.launch_test "$test"
done
