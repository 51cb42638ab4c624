#!/usr/bin/env bash
# Build with a sanitizer and run the tests.
#
#     tools/sanitize.sh [--all | pytest arguments]          AddressSanitizer and UndefinedBehaviorSanitizer, GCC
#     tools/sanitize.sh thread [--all | pytest arguments]   ThreadSanitizer, Clang with LLVM's OpenMP runtime
#
# Everything stays in build/sanitize. PYTHON chooses the interpreter, SANITIZE_DIR another folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mode=address
case "${1-}" in address | thread) mode=$1 && shift ;; esac
work=$(realpath -m "${SANITIZE_DIR:-build/sanitize}")/$mode
mkdir -p "$work"

# Every algorithm on every instruction set, arrays in every form, bad calls; without the files that only compute
# large problems for long (--all has them).
tests=(tests/test_conv.py tests/test_pool.py tests/test_linear.py tests/test_activation.py tests/test_exact.py
    tests/test_arrays.py tests/test_errors.py tests/test_memory.py tests/test_problem.py tests/test_special.py
    -k "not test_layers")
if [ "$mode" = thread ]; then tests=(tests/test_threads.py -k "same_bits or many_callers or batch"); fi
if [ "${1-}" = --all ]; then tests=() && shift; fi
if [ $# -gt 0 ]; then tests=("$@"); fi

compiler=${CXX:-g++}
sanitizers=address,undefined
if [ "$mode" = thread ]; then
    . tools/clang.sh
    compiler=$CXX
    sanitizers=thread
fi

python=$work/venv/bin/python
[ -x "$python" ] || "${PYTHON:-python3}" -m venv "$work/venv"
"$python" -m pip install --quiet 'pip>=24'
"$python" -m pip install --quiet numpy 'pytest>=8' 'hypothesis>=6.100' 'pytest-timeout>=2.3'
CXX=$compiler "$python" -m pip install --quiet --no-deps --force-reinstall . \
    -Cbuild-dir="$work/build" -Cinstall.strip=false -Ccmake.define.FASTCONV_SANITIZE=$sanitizers
