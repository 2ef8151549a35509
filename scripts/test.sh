#!/usr/bin/env bash
# The container suite: the tests that need systemd, UFW and cron for real, and those that restart a whole machine.
#
# test.sh [--if-possible] [pytest arguments]
#
# With arguments there is one machine, they go to the run inside it, and the restarts are left out. Without, the suite
# is dealt out to several machines at once, and each one's output follows when it is through. With --if-possible it is no
# failure that Docker cannot run here: the last lines say so. A skipped test that is marked for the machine is a failure.
set -euo pipefail

cd "$(dirname "$0")/.."

possible=0
if [[ ${1:-} = --if-possible ]]; then
    possible=1
    shift
fi

if ! reason=$(scripts/container.sh engine 2>&1); then
    printf '\nThe container suite (tests/systemd, tests/contracts on a machine with systemd, tests/reboot) was NOT run:\n%s\n' \
        "$reason" >&2
    if ((possible)); then exit 0; fi
    exit 3
fi
if [[ -n $reason ]]; then printf '%s\n' "$reason" >&2; fi

strictly=(-p tests.systemd.nothing_left_out)
scratch=$(mktemp -d)
machines=()

clean_up() {
    local machine
    for machine in ${machines[@]+"${machines[@]}"}; do scripts/container.sh remove "$machine"; done
    rm -rf "$scratch"
}
trap clean_up EXIT

start_machine() {
    machines+=("$(scripts/container.sh start)")
}

# Tests that are not marked for such a machine run with the ordinary tests.
run_in() {
    docker exec "$1" python scripts/run_tests.py "${strictly[@]}" -m systemd "${@:2}"
}

if (($#)); then
    places=(tests/systemd tests/contracts)
    for argument in "$@"; do
        if [[ -e ${argument%%::*} ]]; then places=(); fi
    done
    start_machine
    run_in "${machines[0]}" ${places[@]+"${places[@]}"} "$@"
    exit
fi

contracts() {
    run_in "$1" tests/contracts || return
    printf '\n-- as an ordinary user with a systemd of its own\n'
    docker exec "$1" loginctl enable-linger operator
    docker exec -u operator "$1" python scripts/run_tests.py "${strictly[@]}" -m systemd tests/contracts
}

# The files by the words in their names; the others go together.
takeovers=() lives=() others=()
for file in tests/systemd/test_*.py; do
    case $file in
        */test_takeover_*) takeovers+=("$file") ;;
        */test_life_*) lives+=("$file") ;;
        *) others+=("$file") ;;
    esac
done
titles=('takeovers on a machine with systemd' 'lives on a machine with systemd'
    'the rest of tests/systemd' 'tests/contracts on a machine with systemd')

scripts/setup.sh
for _ in "${titles[@]}"; do start_machine; done
run_in "${machines[0]}" "${takeovers[@]}" >"$scratch/0" 2>&1 &
jobs=($!)
run_in "${machines[1]}" "${lives[@]}" >"$scratch/1" 2>&1 &
jobs+=($!)
run_in "${machines[2]}" "${others[@]}" >"$scratch/2" 2>&1 &
jobs+=($!)
contracts "${machines[3]}" >"$scratch/3" 2>&1 &
jobs+=($!)

printf '\n-- machines that are restarted: tests/reboot\n'
status=0
.venv/bin/python scripts/run_tests.py "${strictly[@]}" tests/reboot || status=$?

for each in "${!titles[@]}"; do
    wait "${jobs[$each]}" || status=$?
    printf '\n-- %s\n' "${titles[$each]}"
    cat "$scratch/$each"
done
exit "$status"
