# Sourced by the scripts here: what they need beyond Python and a C++ compiler, from Debian's packages.

# need <command> <package>...: installs the packages unless the command is there
need() {
    local command=$1
    shift
    command -v "$command" >/dev/null || install_packages "$command" "$@"
}

# install_packages <what for> <package>...
install_packages() {
    local purpose=$1
    shift
    if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
        echo "$0: $purpose is missing. As root, on Debian: apt-get install $*" >&2
        exit 1
    fi
    echo "Installing $* for $purpose"
    (
        flock 9 # one at a time: what runs side by side may lack packages too
        export DEBIAN_FRONTEND=noninteractive
        apt-get -qq update && apt-get -qq install --yes --no-install-recommends "$@"
    ) >/dev/null 9<"$(command -v apt-get)"
}

# make_venv <folder>: an environment of ${PYTHON:-python3}, which on Debian may come without venv or headers
make_venv() {
    local base=${PYTHON:-python3}
    "$base" -c 'import ensurepip' 2>/dev/null || install_packages "the module venv" python3-venv
    "$base" -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null ||
        install_packages "Python.h" python3-dev
    [ -x "$1/bin/python" ] || "$base" -m venv "$1"
    "$1/bin/python" -m pip install --quiet 'pip>=24' # the first to take several -C
}

# need_clang: sets CXX to Clang 14, or, where it is not to be had, to the Clang there is
need_clang() {
    local clang=clang++-14 packages=clang-14
    if ! command -v $clang >/dev/null && ! apt-cache show clang-14 >/dev/null 2>&1; then
        clang=clang++ packages=clang
    fi
    need $clang $packages
    export CXX=$clang
}
