# Sourced by the other scripts: a Python 3.11 environment with the packages of a requirements file.
# Uses the active virtual environment, else makes .venv in the project's root.

use_environment() { # use_environment REQUIREMENTS_FILE
    local requirements=$1
    unset PYTHONDONTWRITEBYTECODE # packages are installed without bytecode: it must be kept when they are first imported
    if [ -z "${VIRTUAL_ENV:-}" ]; then
        [ -x .venv/bin/python ] || make_environment
        # shellcheck disable=SC1091
        . .venv/bin/activate
    fi
    check_python python
    install_requirements "$requirements"
    export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
}

make_environment() {
    local python
    for python in python3.11 python3 python; do
        command -v "$python" >/dev/null && is_right_python "$python" && break
        python=
    done
    [ -n "$python" ] || fail "python: no Python 3.11 found; expected python3.11 on the PATH; install it and run this again"
    echo "making .venv with $("$python" --version)"
    "$python" -m venv .venv || fail "python: .venv could not be made; install python3.11-venv and run this again"
}

is_right_python() {
    "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null
}

check_python() {
    is_right_python "$1" || fail "python: the active environment has $("$1" --version 2>&1); expected Python 3.11; deactivate it or use another"
}

install_requirements() { # nothing is asked of the network when these very requirements are already installed
    local requirements=$1 stamp
    stamp="${VIRTUAL_ENV}/.$(basename "$requirements").$(cat requirements*.txt | sha256sum | cut -c1-16)"
    [ -f "$stamp" ] && return
    echo "installing $requirements (a few minutes the first time)"
    python -m pip install --quiet --no-compile --disable-pip-version-check -r "$requirements" ||
        fail "pip: $requirements could not be installed; check the network and run this again"
    : >"$stamp"
}

step() { # step MADE_FILE TITLE COMMAND...: skipped when the file is there
    local made=$1 title=$2
    shift 2
    if [ -e "$made" ]; then
        echo "== $title: kept $made"
        return
    fi
    echo "== $title"
    "$@"
}

launch() { # launch KIND SCRIPT WORDS...: start processes and watch over them; paths stay those of the current folder
    local kind=$1 script=$2 root python
    shift 2
    if [ "${1:-}" = -h ] || [ "${1:-}" = --help ]; then
        sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$script"
        exit 0
    fi
    root=$(cd "$(dirname "$script")/.." && pwd)
    python=$root/.venv/bin/python
    if [ -n "${VIRTUAL_ENV:-}" ] || [ ! -x "$python" ]; then python=$(command -v python || command -v python3); fi
    [ -n "$python" ] || fail "python: not found; expected Python 3.11 on the PATH; activate its environment"
    export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
    exec "$python" -m mindformers.launch "$kind" "$@"
}

fail() {
    echo "error: $*" >&2
    exit 2
}
