#!/usr/bin/env bash
# A shell, or a command, as root on a test machine with this checkout, read-only, in /srv/wnm; it is removed afterwards.
set -euo pipefail

cd "$(dirname "$0")/.."
scripts/container.sh engine
machine=$(scripts/container.sh start mount)
trap 'scripts/container.sh remove "$machine"' EXIT
if [[ -t 0 && -t 1 ]]; then
    docker exec --interactive --tty "$machine" "${@:-bash}"
else
    docker exec --interactive "$machine" "${@:-bash}"
fi
