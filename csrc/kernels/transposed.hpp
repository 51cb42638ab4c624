// The results of the convolutions that a transposed convolution consists of, interleaved.
#pragma once

#include "copy.hpp"

namespace fastconv {
namespace {

template <class T>
void interleave(const T* const* from, const T* empty, int64_t phases, int64_t pixel, int64_t pixels, int64_t channels,
                T* to) {
    if (channels == 1 && pixel == 1 && phases == 2) {
        constexpr int L = lanes<T>;
        constexpr auto all = typename MakeIndices<L>::type{};
        for (int64_t p = 0; p < pixels; p += 2 * L) {
            const int count = between(0, int(pixels - p), 2 * L);
            const auto values = [&](int r) {
                return from[r] ? load_partial(from[r] + p / 2, (count + 1 - r) / 2) : broadcast(*empty);
            };
            const Vec<T> even = values(0), odd = values(1);
            store_partial(to + p, low_zipped(even, odd, all), between(0, count, L));
            store_partial(to + p + L, high_zipped(even, odd, all), between(0, count - L, L));
        }
        return;
    }
    for (int64_t r = 0; r < phases; ++r)
        for (int64_t p = r, i = 0; p < pixels; p += phases, ++i) {
            const T* source = from[r] ? from[r] + i * pixel : empty;
            if (channels == 1)
                to[p] = *source;
            else
                copy_run(to + p * channels, source, channels, 1);
        }
}

}  // namespace
}  // namespace fastconv
