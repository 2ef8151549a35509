#!/bin/sh
# Print the path of a Python that really runs, is new enough and can make virtual environments.
#
# find_python.sh            search; exit 3 with one line on stderr that says what to install when there is none
# find_python.sh --ok FILE  say by the exit status whether FILE is such a Python
#
# A name on PATH proves nothing: pyenv puts shims there that only print an error, Debian ships a Python without
# ensurepip, and a version can be too old by its last digit. So every candidate is run before it is believed.
set -u

wanted='3.12.3'
names='python3.14 python3.13 python3.12 python3 python'

# Prints the interpreter behind FILE (never a virtual environment, which may vanish, nor a shim); fails if it will not do.
real_python() {
    "$1" -I -c '
import sys
if sys.version_info < tuple(map(int, sys.argv[1].split("."))):
    sys.exit("too old")
import venv, ensurepip
ensurepip.version()
print(getattr(sys, "_base_executable", None) or sys.executable)
' "$wanted" 2>/dev/null </dev/null
}

# Prints FILE when all that it lacks is the package that Debian and Ubuntu split off.
lacks_only_venv() {
    "$1" -I -c '
import sys
sys.exit(sys.version_info < tuple(map(int, sys.argv[1].split("."))))
' "$wanted" >/dev/null 2>&1 </dev/null && printf '%s\n' "$1"
}

# Prints what PATH offers for our names, newest name first.
on_path() {
    for name in $names; do
        saved_ifs=$IFS
        IFS=:
        for folder in $PATH; do
            # Apple's stand-in is too old, and asks in a window to install a compiler when it is run.
            [ "$folder/$name" = /usr/bin/python3 ] && [ "$(uname -s)" = Darwin ] && continue
            [ -n "$folder" ] && [ -f "$folder/$name" ] && [ -x "$folder/$name" ] && printf '%s\n' "$folder/$name"
        done
        IFS=$saved_ifs
    done
}

# Prints the interpreters that pyenv built, newest first.
of_pyenv() {
    versions=${PYENV_ROOT:-${HOME:-/nonexistent}/.pyenv}/versions
    [ -d "$versions" ] || return 0
    for folder in "$versions"/[0-9]*; do
        [ -x "$folder/bin/python" ] && printf '%s\n' "${folder##*/}"
    done | sort -t. -k1,1nr -k2,2nr -k3,3nr | while IFS= read -r version; do
        printf '%s\n' "$versions/$version/bin/python"
    done
}

# Prints what uv knows; lets uv fetch one when it has none.
of_uv() {
    uv=$(command -v uv) || uv=${HOME:-/nonexistent}/.local/bin/uv
    [ -x "$uv" ] || return 0
    found=$("$uv" python find --system ">=$wanted" 2>/dev/null </dev/null) && real_python "$found" >/dev/null \
        || { "$uv" python install 3.13 >/dev/null 2>&1 </dev/null \
            && found=$("$uv" python find --system ">=$wanted" 2>/dev/null </dev/null); } \
        || return 0
    printf '%s\n' "$found"
}

# Reads candidates, prints the first that will do; fails if none does.
first_good() {
    while IFS= read -r candidate; do
        real_python "$candidate" && return 0
    done
    return 1
}

# Prints the one line for a system without a usable Python.
advice() {
    sudo='sudo '
    [ "$(id -u)" = 0 ] && sudo=''
    system=$(uname -s)
    distribution=''
    [ -r /etc/os-release ] && distribution=$(. /etc/os-release && printf '%s %s' "${ID:-}" "${VERSION_ID:-}")
    bare=$(on_path | while IFS= read -r candidate; do lacks_only_venv "$candidate" && break; done)
    by_uv='install uv (https://docs.astral.sh/uv/), which brings its own Python'
    { command -v uv || [ -x "${HOME:-/nonexistent}/.local/bin/uv" ]; } >/dev/null \
        && by_uv='see why uv could not install one: uv python install 3.13'
    if [ -n "$bare" ] && [ "$system" = Linux ]; then
        minor=$("$bare" -I -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        remedy="$bare cannot make virtual environments: ${sudo}apt install python$minor-venv"
    elif [ "$system" = Darwin ]; then
        remedy="brew install python@3.13, or $by_uv"
    else
        case $distribution in
            'debian 12' | 'ubuntu 22.04') remedy="$distribution has only an older one, so $by_uv" ;;
            debian* | ubuntu*) remedy="${sudo}apt install python3 python3-venv, or $by_uv" ;;
            fedora*) remedy="${sudo}dnf install python3, or $by_uv" ;;
            *) remedy="install it with your package manager, or $by_uv" ;;
        esac
    fi
    printf 'wnm needs Python %s or newer: %s\n' "$wanted" "$remedy" >&2
}

if [ "${1:-}" = --ok ]; then
    real_python "$2" >/dev/null
    exit
fi
on_path | first_good && exit 0
of_pyenv | first_good && exit 0
of_uv | first_good && exit 0
advice
exit 3
