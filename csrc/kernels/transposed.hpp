// What surrounds the convolutions that a transposed convolution consists of: its weights, turned, and its results,
// interleaved.
#pragma once

#include "copy.hpp"
#include "grid.hpp"

namespace fastconv {
namespace {

// Weights (out, in, taps): a matrix of output channels and, side by side, taps; it is transposed block by block in
// registers.
template <class T>
inline void turn_channels_first(const TurnArgs<T>& a, const T* from, int64_t g, Range channels) {
    constexpr int L = lanes<T>;
    const int64_t pitch = a.in * a.taps, end = channels.end * a.taps;
    for (int64_t o = 0; o < a.out; o += L) {
        const int rows = int(min_of(a.out - o, L));
        const Mask<T> stored = first_lanes<T>(rows);
        int64_t i = channels.begin, tap = 0;
        for (int64_t k = channels.begin * a.taps; k < end; k += L) {
            const int count = int(min_of(end - k, L));
            const Mask<T> loaded = first_lanes<T>(count);
            Vec<T> block[L];
#pragma GCC unroll 16
            for (int r = 0; r < L; ++r) block[r] = r < rows ? load_masked(from + (o + r) * pitch + k, loaded) : Vec<T>{};
            transpose<T>(block);
            alignas(vector_bytes) T columns[L * L];
#pragma GCC unroll 16
            for (int c = 0; c < L; ++c) store(columns + c * L, block[c]);
            for (int c = 0; c < count; ++c) {
                if (a.base[tap] >= 0)
                    store_masked(a.to + a.base[tap] + (g * a.in + i) * a.step[tap] + o, load(columns + c * L), stored);
                if (++tap == a.taps) tap = 0, ++i;
            }
        }
    }
}

// Task: group, block of its input channels.
template <class T>
void turn(const TurnArgs<T>& a, int64_t task) {
    const int64_t g = task / a.blocks;
    const Range channels{part_begin(a.in, a.blocks, task % a.blocks), part_begin(a.in, a.blocks, task % a.blocks + 1)};
    if (a.channels_first) return turn_channels_first(a, a.weights + g * a.out * a.in * a.taps, g, channels);
    // Weights (taps, in, groups, out): runs already.
    for (int64_t t = 0; t < a.taps; ++t)
        for (int64_t i = channels.begin; i < channels.end && a.base[t] >= 0; ++i)
            copy_run(a.to + a.base[t] + (g * a.in + i) * a.step[t], a.weights + ((t * a.in + i) * a.groups + g) * a.out,
                     a.out, 1);
}

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
