// Runs of elements, copied or cleared by whole vectors and the first lanes of one, or asked for ahead.
#pragma once

#include "simd.hpp"

namespace fastconv {
namespace {

// to[i] = from[i * step]
template <class T>
inline void copy_run(T* to, const T* from, int64_t count, int64_t step) {
    int64_t i = 0;
    if (step == 1) {
        for (; i + lanes<T> <= count; i += lanes<T>) store(to + i, load(from + i));
        if (i < count) store_partial(to + i, load_partial(from + i, int(count - i)), int(count - i));
    } else {
        if (step == 2) {
            for (; i + lanes<T> <= count; i += lanes<T>) store(to + i, load_step<2>(from + 2 * i));
            const int rest = int(count - i);
            if (rest > 0) store_partial(to + i, load_step<2>(from + 2 * i, StepMask<T, 2>(0, rest)), rest);
            return;
        }
        for (; i < count; ++i) to[i] = from[i * step];
    }
}

template <class T>
inline void zero_run(T* to, int64_t count) {
    int64_t i = 0;
    for (; i + lanes<T> <= count; i += lanes<T>) store(to + i, Vec<T>{});
    if (i < count) store_partial(to + i, Vec<T>{}, int(count - i));
}

// Asks for a run that will be read, or written. Inlined, or else GCC takes it for a function without effect and leaves it
// out.
template <int written, class T>
inline __attribute__((always_inline)) void prefetch_run(const T* from, int64_t count) {
    for (int64_t i = 0; i < count; i += 64 / int64_t(sizeof(T))) __builtin_prefetch(from + i, written);
}

}  // namespace
}  // namespace fastconv
