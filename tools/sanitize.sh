#!/usr/bin/env bash
# Build with sanitizers and run the tests. The first thing they find ends the run with a report.
#
#     tools/sanitize.sh [--all | pytest arguments]          AddressSanitizer and most of UndefinedBehaviorSanitizer
#     tools/sanitize.sh thread [--all | pytest arguments]   ThreadSanitizer
#
# Works in build/sanitize, or in SANITIZE_DIR, with the instruction sets of SANITIZE_ISAS, such as "x86-64-v2;x86-64-v4",
# or all. What they do not see: AddressSanitizer the masked loads of AVX-512, which tests/test_memory.py tries against
# pages without access; ThreadSanitizer vectors of more than 16 bytes, but the same source runs as x86-64-v2 too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/packages.sh

mode=address
case "${1-}" in address | thread) mode=$1 && shift ;; esac
work=$(realpath -m "${SANITIZE_DIR:-build/sanitize}")/$mode
mkdir -p "$work"

if [ "$mode" = address ]; then
    # Every algorithm on every instruction set built, arrays in every form, bad calls.
    tests=(tests/test_conv.py tests/test_pool.py tests/test_linear.py tests/test_activation.py tests/test_exact.py
        tests/test_arrays.py tests/test_errors.py tests/test_memory.py tests/test_problem.py tests/test_special.py
        tests/test_ndimage.py tests/test_pool_gradients.py tests/test_unpool.py tests/test_fold.py tests/test_border.py
        tests/test_padding_modes.py tests/test_conv_transpose.py tests/test_conv_gradients.py
        tests/test_conv_gradient_errors.py
        -k "not test_layers")
    # Of undefined behaviour all but what is wrong with pointers, which the address sanitizer finds too: those checks double
    # the time that kernels take to compile.
    sanitizers=address,signed-integer-overflow,shift,integer-divide-by-zero,float-cast-overflow,bool,enum,return,unreachable
    export CXX=${CXX:-g++}
    # Python is not instrumented, so the runtime has to be there before it; libstdc++ for the interceptor of `throw`.
    preload="$($CXX -print-file-name=libasan.so) $($CXX -print-file-name=libstdc++.so)"
    # On abort, pytest prints where in Python the report comes from.
    options=(ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:abort_on_error=1
        UBSAN_OPTIONS=print_stacktrace=1:abort_on_error=1)
else
    tests=(tests/test_threads.py tests/test_exact.py tests/test_pool.py tests/test_unpool.py tests/test_padding_modes.py
        tests/test_conv_transpose.py::test_larger_problems tests/test_conv_gradients.py::test_any)
    sanitizers=thread
    need g++ g++
    export CXX=${CXX:-g++}
    preload="$($CXX -print-file-name=libtsan.so) $($CXX -print-file-name=libstdc++.so)"
    options=(TSAN_OPTIONS=ignore_noninstrumented_modules=1:die_after_fork=0:halt_on_error=1:abort_on_error=1)
fi
if [ "${1-}" = --all ]; then tests=() && shift; fi
if [ $# -gt 0 ]; then tests=("$@"); fi

make_venv "$work/venv"
python=$work/venv/bin/python
# Without build isolation, so that the next run compiles only what has changed.
"$python" -m pip install --quiet 'scikit-build-core>=0.11' 'pybind11>=3.0' cmake ninja
"$python" -m pip install --quiet --no-build-isolation '.[test]' -Cbuild-dir="$work/build" \
    -Cinstall.strip=false -Ccmake.build-type=RelWithDebInfo -Ccmake.define.FASTCONV_SANITIZE=$sanitizers \
    -Ccmake.define.FASTCONV_ISAS="${SANITIZE_ISAS:-all}"

# Reports go to the process's own standard error, which pytest must not capture.
env "${options[@]}" LD_PRELOAD="$preload" "$python" -m pytest -n auto -p no:cacheprovider --capture=sys "${tests[@]}"
