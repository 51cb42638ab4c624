#!/usr/bin/env bash
# Build with sanitizers and run the tests; what they find ends the run with a report.
#
#     tools/sanitize.sh [--all | pytest arguments]          AddressSanitizer and UndefinedBehaviorSanitizer
#     tools/sanitize.sh thread [--all | pytest arguments]   ThreadSanitizer, Clang with LLVM's OpenMP runtime
#
# Works in build/sanitize, or in SANITIZE_DIR. AddressSanitizer does not see the masked loads of AVX-512;
# tests/test_memory.py does, by pages without access.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/packages.sh

mode=address
case "${1-}" in address | thread) mode=$1 && shift ;; esac
work=$(realpath -m "${SANITIZE_DIR:-build/sanitize}")/$mode
mkdir -p "$work"

make_venv "$work/venv"
python=$work/venv/bin/python

if [ "$mode" = address ]; then
    # Every algorithm on every instruction set, arrays in every form, bad calls.
    tests=(tests/test_conv.py tests/test_pool.py tests/test_linear.py tests/test_activation.py tests/test_exact.py
        tests/test_arrays.py tests/test_errors.py tests/test_memory.py tests/test_problem.py tests/test_special.py
        -k "not test_layers")
    sanitizers=address,undefined
    export CXX=${CXX:-g++}
    preload="$($CXX -print-file-name=libasan.so) $($CXX -print-file-name=libstdc++.so)"
    options=(ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:abort_on_error=1
        UBSAN_OPTIONS=print_stacktrace=1:abort_on_error=1)
else
    tests=(tests/test_threads.py -k "same_bits or many_callers or batch")
    sanitizers=thread
    need_clang
    preload="$($CXX -print-file-name=libclang_rt.tsan-x86_64.so)"
    options=()
fi
if [ "${1-}" = --all ]; then tests=() && shift; fi
if [ $# -gt 0 ]; then tests=("$@"); fi

# Without build isolation, so that the next run compiles only what has changed.
"$python" -m pip install --quiet 'scikit-build-core>=0.11' 'pybind11>=3.0' cmake ninja
"$python" -m pip install --quiet --no-build-isolation '.[test]' -Cbuild-dir="$work/build" \
    -Cinstall.strip=false -Ccmake.build-type=RelWithDebInfo -Ccmake.define.FASTCONV_SANITIZE=$sanitizers

env "${options[@]}" LD_PRELOAD="$preload" "$python" -m pytest -p no:cacheprovider --capture=sys "${tests[@]}"
