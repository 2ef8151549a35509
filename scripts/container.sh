#!/usr/bin/env bash
# The machines that wnm is tested on: containers with a systemd, UFW and cron of their own.
#
# container.sh engine         start the container engine if none answers; exit 3 with the reason where that cannot be
# container.sh image          build the image unless there is one made from these inputs; print its name
# container.sh start [mount]  start a machine with this checkout installed: a copy of it or, with `mount`, the folder
#                             itself, read-only; print its id
# container.sh copy ID        bring the machine's copy of this checkout up to date
# container.sh ready ID       wait until its systemd is up; fail with what failed in it otherwise
# container.sh remove ID      remove a machine
set -euo pipefail

cd "$(dirname "$0")/.."
checkout=$(pwd -P)
debian=trixie
python=3.13 # the one that this Debian has

fail() {
    printf 'container: %s\n' "$1" >&2
    exit "${2:-1}"
}

say() {
    printf 'container: %s\n' "$1" >&2
}

engine() {
    local answer log=/var/log/wnm-dockerd.log
    command -v docker >/dev/null || fail 'Docker is not installed: sudo apt install docker.io debootstrap' 3
    answer=$(docker info 2>&1 >/dev/null) && return
    case $answer in
        *'ermission denied'*) fail "this user may not use Docker: sudo usermod -aG docker $(id -un), then log in again" 3 ;;
    esac
    [[ $(id -u) = 0 ]] || fail 'no Docker engine answers: sudo systemctl start docker' 3
    command -v dockerd >/dev/null || fail 'no Docker engine answers, and dockerd is not installed here' 3
    setsid nohup dockerd >"$log" 2>&1 </dev/null &
    for _ in {1..120}; do
        if docker info >/dev/null 2>&1; then
            say "started dockerd, which goes on running (log: $log; end it: kill \$(cat /var/run/docker.pid))"
            return
        fi
        sleep 0.5
    done
    fail "no Docker engine answers, and dockerd does not start: see $log" 3
}

hash_of() {
    git hash-object --stdin | cut -c 1-12
}

# Prints the name of an image with Debian in it: from a registry, else made from Debian's archive.
base() {
    local name scratch limit=''
    if command -v timeout >/dev/null; then limit='timeout 60'; fi
    if $limit docker pull --quiet "debian:$debian-slim" >/dev/null 2>&1; then
        printf 'debian:%s-slim\n' "$debian"
        return
    fi
    name=wnm-base:$debian-$(hash_of <docker/packages.txt)
    if ! docker image inspect "$name" >/dev/null 2>&1; then
        command -v debootstrap >/dev/null \
            || fail 'no image registry answers, and debootstrap is not installed: sudo apt install debootstrap'
        [[ $(id -u) = 0 ]] || fail 'no image registry answers, and without one only root can make the image: sudo make test'
        say "no image registry answers: making Debian $debian by debootstrap, which takes a minute ..."
        scratch=$(mktemp -d /var/tmp/wnm-base.XXXXXX) # no tmpfs: it is large, and holds devices
        # shellcheck disable=SC2064 # the folder of now
        trap "rm -rf --one-file-system '$scratch'" EXIT
        debootstrap --variant=minbase --include="$(paste -sd, docker/packages.txt)" "$debian" "$scratch/root" \
            >"$scratch/log" 2>&1 || { tail -n 20 "$scratch/log" >&2 && fail 'debootstrap failed'; }
        tar -C "$scratch/root" --exclude './var/cache/apt/archives/*.deb' --exclude './var/lib/apt/lists/*' -c . \
            | docker import - "$name" >/dev/null
    fi
    printf '%s\n' "$name"
}

# Fetches wheels for the image's Python with the host's pip: only that knows its indexes, proxies and certificates.
wheels() {
    local minor machine platforms
    machine=$(uname -m | sed 's/^arm64$/aarch64/')
    platforms=(--platform "manylinux2014_$machine")
    for minor in {17..41}; do
        platforms+=(--platform "manylinux_2_${minor}_$machine")
    done
    scripts/setup.sh >&2
    .venv/bin/python -m pip download -qq --no-deps --only-binary :all: --python-version "$python" --implementation cp \
        "${platforms[@]}" --requirement requirements-dev.lock --dest "$1"
}

image() {
    local inputs name from scratch
    inputs=(docker/packages.txt docker/systemd.Dockerfile docker/entrypoint.sh requirements-dev.lock scripts/container.sh)
    name=wnm-systemd:$( (cat "${inputs[@]}" && uname -m) | hash_of)
    if ! docker image inspect "$name" >/dev/null 2>&1; then
        from=$(base)
        say "building the image $name ..."
        scratch=$(mktemp -d)
        # shellcheck disable=SC2064 # the folder of now
        trap "rm -rf '$scratch'" EXIT
        cp docker/packages.txt docker/entrypoint.sh requirements-dev.lock "$scratch"
        wheels "$scratch/wheels"
        docker build --file docker/systemd.Dockerfile --build-arg "BASE=$from" \
            --build-arg http_proxy --build-arg https_proxy --build-arg no_proxy \
            --tag "$name" "$scratch" >"$scratch.log" 2>&1 \
            || { tail -n 30 "$scratch.log" >&2 && fail "the image could not be built: see $scratch.log"; }
        rm -f "$scratch.log"
        docker image prune --force --filter label=wnm-test-machine >/dev/null # what only building it needed
    fi
    docker tag "$name" wnm-systemd:latest
    printf '%s\n' "$name"
}

# Prints the files that git knows or would take, as far as they are there.
files() {
    git() { command git -c "safe.directory=$checkout" -c core.quotePath=off ls-files "$@"; }
    { git --cached --others --exclude-standard && git --deleted; } | sort | uniq -u
}

install() {
    docker exec "$1" /opt/wnm-venv/bin/python -m pip install -qq --no-index --no-deps --no-build-isolation \
        --root-user-action ignore --editable /srv/wnm
}

copy() {
    docker exec "$1" find /srv/wnm -mindepth 1 -delete
    files | tar -c -T - | docker exec -i "$1" tar -x --no-same-owner -C /srv/wnm
    install "$1"
}

ready() {
    local state=''
    for _ in {1..480}; do
        state=$(docker exec "$1" systemctl is-system-running 2>/dev/null) || true
        case $state in
            running) return ;;
            degraded) break ;;
        esac
        sleep 0.25
    done
    docker exec "$1" systemctl --failed --no-legend >&2 || docker logs --tail 20 "$1" >&2
    fail "systemd does not run as it should in $1: ${state:-no answer}"
}

start() {
    local name options
    name=$(image)
    # As docker/compose.yaml says it.
    options=(--cap-add SYS_ADMIN --cap-add NET_ADMIN --cap-add NET_RAW --security-opt apparmor=unconfined
        --security-opt seccomp=unconfined --cgroupns private --tmpfs /run --tmpfs "/tmp:exec,mode=1777")
    if [[ $1 = mount ]]; then options+=(--volume "$checkout:/srv/wnm:ro"); fi
    machine=$(docker run --detach "${options[@]}" "$name")
    trap 'docker rm --force --volumes "$machine" >/dev/null' EXIT
    ready "$machine"
    if [[ $1 = mount ]]; then install "$machine"; else copy "$machine"; fi
    trap - EXIT
    printf '%s\n' "$machine"
}

case ${1:-} in
    engine) engine ;;
    image) image ;;
    start) start "${2:-copy}" ;;
    copy) copy "$2" ;;
    ready) ready "$2" ;;
    remove) docker rm --force --volumes "$2" >/dev/null ;;
    *) fail 'say engine, image, start, copy, ready or remove' 2 ;;
esac
