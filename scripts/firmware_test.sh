#!/usr/bin/env bash
# Test the firmware of the e-stop device: the logic, also under sanitizers; the program on a pseudo-terminal; the very AVR
# image on a simulated AVR. Installs nothing; exit status 2 when a tool is missing.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

missing=() packages=()
need() { # DEBIAN_PACKAGE WHAT CONDITION...
    "${@:3}" >/dev/null 2>&1 || { missing+=("$2") && packages+=("$1"); }
}
need gcc "gcc" command -v gcc
need make "make" command -v make
need gcc-avr "avr-gcc, the compiler for AVR" command -v avr-gcc
need binutils-avr "avr-size" command -v avr-size
need avr-libc "avr/io.h, the C library for AVR" test -e /usr/lib/avr/include/avr/io.h
need libsimavr-dev "simavr/sim_avr.h, the simulator of AVR processors" test -e /usr/include/simavr/sim_avr.h
need libelf-dev "libelf.h, which the simulator needs" test -e /usr/include/libelf.h
if [ ${#missing[@]} -gt 0 ]; then
    {
        echo "the firmware was not tested; missing:"
        printf '  %s\n' "${missing[@]}"
        echo "on Debian and Ubuntu: apt-get install -y ${packages[*]}"
    } >&2
    exit 2
fi

status=0
.venv/bin/pytest test/firmware "$@" || status=1

echo "--- the logic again, under the address and undefined-behaviour sanitizers"
ESTOP_SANITIZE=1 LD_PRELOAD=$(gcc -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0 \
    .venv/bin/pytest -p no:cacheprovider test/firmware/test_device_rules.py test/firmware/test_line.py \
    test/firmware/test_exchange.py -k "not avr and not sanitizers and not in_c" --quiet || status=1

if command -v cppcheck >/dev/null; then
    echo "--- cppcheck"
    make --no-print-directory -C firmware/estop cppcheck && echo "nothing found" || status=1
else
    echo "cppcheck was not run: it is not installed (apt-get install -y cppcheck)"
fi
exit $status
