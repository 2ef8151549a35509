#!/usr/bin/env bash
# The container suite: the tests that need systemd, UFW and cron for real, and those that restart a whole machine.
#
# test.sh [--if-possible] [pytest arguments]
#
# Arguments go to the run inside the machine, and the restarts are left out then. With --if-possible it is no failure
# that Docker cannot run here: the last lines say so. A skipped test that is marked for the machine is a failure.
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

named=0
for argument in "$@"; do
    if [[ -e ${argument%%::*} ]]; then named=1; fi
done
places=(tests/systemd tests/contracts)
if ((named)); then places=(); fi

strictly=(-p tests.systemd.nothing_left_out)
machine=$(scripts/container.sh start)
trap 'scripts/container.sh remove "$machine"' EXIT
status=0

printf '\n-- on a machine with systemd: %s\n' "${places[*]} $*"
docker exec "$machine" python -m pytest "${strictly[@]}" ${places[@]+"${places[@]}"} "$@" || status=$?

if (($# == 0)); then
    printf '\n-- there, as an ordinary user with a systemd of its own: tests/contracts\n'
    docker exec "$machine" loginctl enable-linger operator
    docker exec -u operator "$machine" python -m pytest "${strictly[@]}" -m systemd tests/contracts || status=$?

    printf '\n-- machines that are restarted: tests/reboot\n'
    scripts/setup.sh
    .venv/bin/python -m pytest "${strictly[@]}" tests/reboot || status=$?
fi
exit "$status"
