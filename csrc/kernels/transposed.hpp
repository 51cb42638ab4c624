// The results of the convolutions that a transposed convolution consists of, interleaved.
#pragma once

#include "copy.hpp"

namespace fastconv {
namespace {

template <class T>
void interleave(const T* const* from, const T* empty, int64_t phases, int64_t pixels, int64_t channels, T* to) {
    int64_t p = 0;
    if (channels == 1 && phases == 2) {
        constexpr auto all = typename MakeIndices<lanes<T>>::type{};
        const auto values = [&](int r, int64_t i) { return from[r] ? load(from[r] + i) : broadcast(*empty); };
        for (; p + 2 * lanes<T> <= pixels; p += 2 * lanes<T>) {
            const Vec<T> even = values(0, p / 2), odd = values(1, p / 2);
            store(to + p, low_zipped(even, odd, all));
            store(to + p + lanes<T>, high_zipped(even, odd, all));
        }
    }
    for (; p < pixels; ++p) {
        const T* source = from[p % phases];
        copy_run(to + p * channels, source ? source + p / phases * channels : empty, channels, 1);
    }
}

}  // namespace
}  // namespace fastconv
