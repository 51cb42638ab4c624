#!/usr/bin/env bash
# Cross-compile for aarch64 with Debian's compiler and run the tests under QEMU's user-mode emulation.
#
#     tools/aarch64.sh [pytest arguments]
#
# Works in build/aarch64, or in AARCH64_DIR, which keeps what was fetched and compiled for the next run: a system root
# with Python from the arm64 packages of this Debian release, and NumPy and pytest from their wheels.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/packages.sh

# Some four minutes: what computes, or asks the processor. Emulated, large layers take minutes, and tasks too long for an
# interrupt to be heard at once.
tests=(tests/test_conv.py tests/test_pool.py tests/test_linear.py tests/test_activation.py tests/test_exact.py
    tests/test_arrays.py tests/test_errors.py tests/test_memory.py tests/test_problem.py tests/test_properties.py
    tests/test_runtime.py tests/test_special.py tests/test_textbook.py tests/test_threads.py
    tests/test_pool_gradients.py tests/test_unpool.py tests/test_fold.py tests/test_border.py tests/test_padding_modes.py
    tests/test_conv_transpose.py::test_definition tests/test_conv_gradients.py::test_any
    -k "not test_layers and not test_interrupt")
if [ $# -gt 0 ]; then tests=("$@"); fi

work=$(realpath -m "${AARCH64_DIR:-build/aarch64}")
root=$work/root site=$work/site target=$work/python tools=$work/venv/bin
mkdir -p "$work"
need aarch64-linux-gnu-g++ g++-aarch64-linux-gnu
need qemu-aarch64 qemu-user
make_venv "$work/venv"
"$tools/python" -m pip install --quiet 'pybind11>=3.0' cmake ninja

# The system root. A package database of its own leaves that of this machine alone, and needs no rights.
if [ ! -e "$root/complete" ]; then
    echo "Fetching the system root"
    apt=$work/apt
    rm -rf "$root" "$apt"
    mkdir -p "$root" "$apt/lists/partial" "$apt/cache/archives/partial"
    touch "$apt/status"
    options=(-qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Install-Recommends=false
        -o APT::Sandbox::User= -o Acquire::Languages=none -o Debug::NoLocking=true -o Dir::State="$apt"
        -o Dir::State::lists="$apt/lists" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache")
    apt-get "${options[@]}" update
    apt-get "${options[@]}" --yes --download-only install libpython3-dev libstdc++6 python3 >/dev/null
    if [ -L /lib ]; then # as here, /lib may be /usr/lib, and packages count on it
        mkdir -p "$root/usr/lib" && ln -s usr/lib "$root/lib"
    fi
    for package in "$apt"/cache/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -C "$root" --keep-directory-symlink -xf -
    done
    rm -rf "$apt"
    touch "$root/complete"
fi

# The target's Python as a command. Tests start it again by sys.executable, which sitecustomize points here.
printf '#!/bin/sh\nexec qemu-aarch64 -L "%s" "%s/usr/bin/python3" "$@"\n' "$root" "$root" >"$target"
chmod +x "$target"
version=$("$target" -c 'import sys; print("%d.%d" % sys.version_info[:2])')

if [ ! -e "$site/complete" ]; then
    echo "Fetching wheels for Python $version"
    rm -rf "$site"
    platforms=()
    for glibc in 17 27 28 31 34 35 36; do platforms+=(--platform "manylinux_2_${glibc}_aarch64"); done
    "$tools/python" -m pip install --quiet --target "$site" --only-binary :all: --python-version "$version" \
        --implementation cp "${platforms[@]}" --platform manylinux2014_aarch64 \
        'numpy>=2' 'pytest>=8' 'hypothesis>=6.100' 'pytest-timeout>=2.3'
    printf 'import sys\n\nsys.executable = "%s"\n' "$target" >"$site/sitecustomize.py"
    touch "$site/complete"
fi

# -idirafter: Debian keeps pyconfig.h of each architecture in a folder beside Python.h.
release=$("$tools/python" -c 'import tomllib; print(tomllib.load(open("pyproject.toml", "rb"))["project"]["version"])')
"$tools/cmake" -S . -B "$work/build" -G Ninja -DCMAKE_MAKE_PROGRAM="$tools/ninja" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ \
    -DCMAKE_CXX_FLAGS="-idirafter $root/usr/include" -DPython_EXECUTABLE="$target" \
    -DPython_INCLUDE_DIR="$root/usr/include/python$version" \
    -Dpybind11_DIR="$("$tools/python" -m pybind11 --cmakedir)" -DSKBUILD_PROJECT_VERSION="$release" >"$work/cmake.log" ||
    { cat "$work/cmake.log" && exit 1; }
"$tools/cmake" --build "$work/build"

rm -rf "$work/package"
mkdir "$work/package"
cp -r src/fastconv "$work/package/"
cp "$work"/build/_fastconv.*.so "$work/package/fastconv/"

export PYTHONPATH=$work/package:$site PYTHONDONTWRITEBYTECODE=1
"$target" -c '
import platform, fastconv
print(f"fastconv on {platform.machine()} with Python {platform.python_version()}:", *fastconv.instruction_sets())
assert platform.machine() == "aarch64" and fastconv.instruction_set() == "neon"
'
# The emulator (QEMU 7.2) fails an assertion of its own where a forked child of a program with threads starts a thread.
"$target" -m pytest -p no:cacheprovider --deselect tests/test_threads.py::test_fork "${tests[@]}"
