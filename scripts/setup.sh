#!/usr/bin/env bash
# Make .venv from the lock file of its Python. Run again it does nothing in a few milliseconds, unless something that it
# depends on has changed. PYTHON=/path/to/python chooses the interpreter of a new .venv.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec 9<scripts/setup.sh && flock 9 # two set-ups at once would break each other

readonly venv=.venv stamp=.venv/setup.stamp log=.venv/setup.log
ros=${ROS_DISTRO:-}

stop() {
    printf 'set-up: %s\n' "$@" >&2
    exit 1
}

key() { # all that the content of .venv depends on
    {
        cat scripts/setup.sh scripts/check_ros.py setup.py setup.cfg requirements/*.txt "$venv/pyvenv.cfg"
        printf '%s\n' "$PWD" "$ros" "${PYTHON:-}"
    } | sha256sum
}

if [ -x "$venv/bin/python" ] && [ -e "$stamp" ] && [ "$(key)" = "$(cat "$stamp")" ]; then
    exit 0
fi

# --- which Python -------------------------------------------------------------------------------------------------

supported() { "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

# A sourced ROS 2 has built rclpy for one Python, its python3. Otherwise 3.11 comes first: it is what is tested most.
candidates=(python3.11 python3 python3.10 python3.12 python3.13)
[ -z "$ros" ] || candidates=(python3)
[ -z "${PYTHON:-}" ] || candidates=("$PYTHON")
python=
for candidate in "${candidates[@]}"; do
    if supported "$candidate"; then
        # The interpreter itself: not a shim, nor the one of an environment that happens to be active.
        python=$("$candidate" -c 'import sys; print(sys._base_executable)')
        break
    fi
done
[ -n "$python" ] || stop "no Python 3.10 to 3.13 found among: ${candidates[*]}" \
    "install one:  sudo apt-get install python3 python3-venv"
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
lock="requirements/py${version/./}.txt"

# --- what must be there -------------------------------------------------------------------------------------------

if [ -z "$ros" ] && [ "$(uname -sm)" != 'Linux x86_64' ]; then
    stop "rclpy's wheels are for Linux on x86_64, this is $(uname -sm)" "install a ROS 2 and source it first"
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    stop "$python has no venv; install it:  sudo apt-get install python${version}-venv"
fi
if [ "$version" = 3.12 ] || [ "$version" = 3.13 ]; then # pybullet has no wheel there and is built from source
    if ! command -v g++ >/dev/null || ! command -v gcc >/dev/null; then
        stop "PyBullet is built from source on Python $version and needs a C++ compiler" \
            "install it:  sudo apt-get install build-essential     (or use Python 3.11)"
    fi
    if ! "$python" -c 'import os, sysconfig as s, sys; sys.exit(not os.path.exists(s.get_path("include") + "/Python.h"))'; then
        stop "PyBullet is built from source on Python $version and needs Python.h" \
            "install it:  sudo apt-get install python${version}-dev     (or use Python 3.11)"
    fi
fi

without_ros=
if [ -n "$ros" ]; then
    without_ros=$("$python" scripts/check_ros.py lock "$lock") || stop "the sourced ROS 2 can not be used, see above"
fi

# --- build it -----------------------------------------------------------------------------------------------------

started=$SECONDS
printf 'set-up: Python %s%s, %s locked packages into %s\n' "$version" "${ros:+, ROS 2 $ros}" "$(grep -c '==' "$lock")" "$venv"
mkdir -p "$venv"
rm -f "$stamp"

# Packages are installed into a new environment only, so that it holds the lock file's and no others. (Bringing one up to date
# with uv's `sync` would remove rclpy: the ROS wheels carry a second distribution that no lock file can name.)
origin="$("$python" -c 'import sys; print(sys.base_prefix, sys.version)') ROS ${ros:-wheels} $(cat "$lock" requirements/uv.txt | sha256sum)"

quietly() { # the log speaks only when something failed
    if ! "$@" >>"$log" 2>&1; then
        tail -n 25 "$log" >&2
        stop "failed: $*" "the whole output: $log"
    fi
}

new_environment() {
    local options=(--clear)
    [ -z "$ros" ] || options+=(--system-site-packages) # what rclpy and launch need of the system's Python
    "$python" -m venv "${options[@]}" "$venv"

    local wanted=$lock pip=("$venv/bin/python" -m pip install --disable-pip-version-check --require-hashes)
    if [ -n "$ros" ]; then
        wanted=$venv/ros.txt
        printf '%s\n' "$without_ros" >"$wanted"
    fi
    quietly "${pip[@]}" -r requirements/uv.txt
    if ! "$venv/bin/uv" --no-config --system-certs --quiet pip install --python "$venv/bin/python" --no-deps --require-hashes \
        -r "$wanted" >>"$log" 2>&1; then
        echo "set-up: uv failed, trying pip"
        quietly "${pip[@]}" --no-deps -r "$wanted"
    fi
    # On the disk now: what is written back later delays the first log, which is a stop (E_LOG).
    timeout 60 sync -f "$venv" || true
    printf '%s\n' "$origin" >"$venv/origin"
}

if [ "$origin" != "$(cat "$venv/origin" 2>/dev/null)" ]; then
    new_environment
fi
quietly "$venv/bin/python" -m pip install --disable-pip-version-check --no-deps --no-build-isolation --editable .
"$venv/bin/python" scripts/check_ros.py use || stop "rclpy does not work in $venv, see above"

key >"$stamp"
echo "set-up: done in $((SECONDS - started)) s"
