#!/usr/bin/env bash
# Run pytest: real nodes, two files at a time; then one by one what times a line, draws in a browser or keeps times of its
# own (the serial line, the device's program, the simulated cells), and below it, on what it leaves of all cores, what
# computes.
# Usage: scripts/unit.sh [PYTEST_ARGUMENTS]; with arguments pytest runs once, with them.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# Where it is set, as in many containers, each of hundreds of processes would compile all that it imports anew.
unset PYTHONDONTWRITEBYTECODE
[ $# = 0 ] || exec .venv/bin/pytest "$@"

# Two cores carry two supervisors, which mostly wait; not beside a device that is read every millisecond, nor a browser,
# nor what computes: what is below everything and holds a lock of the kernel then holds it for long, and logs come late.
in_pairs=(test/ros)
apart=(test/ros/test_estop*.py)
# In this order: the panel's supervisor stays to the end of its run.
one_by_one=(test/estop test/firmware test/sim "${apart[@]}" test/panel)
# Of these, what keeps no time but its own: no clock, thread, process or port, so that a busy machine changes nothing.
virtual=(test/estop/test_{drivers,emulated_device,first_contact,frames,link,link_faults,link_model,link_replay,noise,notices}.py
    test/estop/test_second_device.py test/firmware/test_{device_rules,exchange,line,product_host,static,walks}.py
    test/sim/{agent,campaign,compare,engine,falsify,lab,oracle,report,strange} test/sim/cell/test_{cdr,cell_file,forward_doubles}.py
    test/sim/cell/test_{joint_trajectory_double,sensors,standing,standing_cell}.py
    test/sim/demo/test_{compare,judge,places,stance,unchanged}.py)
computing=("${virtual[@]}" test/test_*.py)
for folder in test/*/; do # a new folder comes into this part by itself
    case " ${in_pairs[*]} ${one_by_one[*]} test/launch test/__pycache__ " in
    *" ${folder%/} "*) ;;
    *) computing+=("${folder%/}") ;;
    esac
done
# What computes takes what is left of the cores meanwhile, below every ordinary program: it can wait, they can not.
idle=(nice -n 19)
command -v chrt >/dev/null && idle=(chrt --idle 0)
computed=$(mktemp)
trap 'rm -rf "$computed" "${memory:-}"' EXIT
# Where there is room, what real nodes write is kept in memory: a disk that others keep busy for half a second stops them
# (E_LOG), and that has tests of its own.
room=$(df --output=avail -B1M /dev/shm 2>/dev/null | tail -n 1)
if [ "${room:-0}" -ge 2048 ] && memory=$(mktemp -d /dev/shm/unit.XXXXXX); then written=(env "TMPDIR=$memory"); else written=(); fi
status=0
"${written[@]}" .venv/bin/pytest --numprocesses=2 --dist=loadfile "${in_pairs[@]}" "${apart[@]/#/--ignore=}" || status=1
# worksteal: a core that has no tests left takes half of what another one still has.
"${idle[@]}" .venv/bin/pytest --numprocesses=auto --dist=worksteal --timeout=600 "${computing[@]}" >"$computed" 2>&1 &
"${written[@]}" .venv/bin/pytest "${one_by_one[@]}" "${virtual[@]/#/--ignore=}" || status=1
wait $! || status=1
cat "$computed"
exit $status
