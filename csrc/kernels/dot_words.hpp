// Bytes or half-sized floats gathered to words (dot_args.hpp).
#pragma once

#include "dot_args.hpp"
#include "grid.hpp"

namespace fastconv {
namespace {

// Channels first: a vector of pixels at a time, as many words of each; rows of channels become words in registers, and
// a transpose puts those of a pixel side by side.
template <class T, class E>
inline void gather_channels_first(const WordArgs<T>& a, const E* row, E* to) {
    constexpr int64_t each = word_elements<T>;
    constexpr int L = lanes<int32_t>;
    const int64_t width = a.image.size[2];
    for (int64_t word = 0; word < a.words; word += L)
        for (int64_t pixel = 0; pixel < width; pixel += L) {
            const int pixels = int(min_of(width - pixel, L));
            const int words = int(min_of(a.words - word, L));
            Vec<int32_t> block[L];
#pragma GCC unroll 16
            for (int i = 0; i < L; ++i) {
                block[i] = Vec<int32_t>{};
                if (i >= words) continue;
                for (int64_t j = 0; j < each; ++j) {
                    const int64_t channel = (word + i) * each + j;
                    if (channel >= a.channels) break;
                    const Vec<int32_t> values = load_narrow(row + channel * a.image.c_stride + pixel, pixels);
                    block[i] |= (values ^ a.flip) << int(32 / each * j);
                }
            }
            transpose<int32_t>(block);
            E* at = to + (pixel * a.words + word) * each;
#pragma GCC unroll 16
            for (int i = 0; i < L; ++i)
                if (i < pixels) store_partial(reinterpret_cast<int32_t*>(at + i * a.words * each), block[i], words);
        }
}

// Elements one after another, by vectors of 64 and 16 bytes.
template <int bytes, class E>
inline int64_t flip_vectors(const E* from, int64_t i, int64_t count, E flip, E* to) {
    typedef E Elements __attribute__((vector_size(bytes)));
    constexpr int64_t each = bytes / int64_t(sizeof(E));
    for (; i + each <= count; i += each) {
        Elements v;
        __builtin_memcpy(&v, from + i, sizeof v);
        v ^= flip;
        __builtin_memcpy(to + i, &v, sizeof v);
    }
    return i;
}
template <class E>
inline void flip_run(const E* from, int64_t count, E flip, E* to) {
    int64_t i = flip_vectors<64>(from, 0, count, flip, to);
    i = flip_vectors<16>(from, i, count, flip, to);
    for (; i < count; ++i) to[i] = from[i] ^ flip;
}

template <class T, class E>
inline void gather_channels_last(const WordArgs<T>& a, const E* row, E* to) {
    const int64_t all = a.image.stride[2], size = a.words * word_elements<T>;
    if (size == all) return flip_run(row, a.image.size[2] * all, a.flip, to);
    for (int64_t pixel = 0; pixel < a.image.size[2]; ++pixel, row += all, to += size) {
        flip_run(row, a.channels, a.flip, to);
        for (int64_t c = a.channels; c < size; ++c) to[c] = 0;
    }
}

template <class T>
void gather_words(const WordArgs<T>& a, int64_t task) {
    using E = typename WordOf<T>::Element;
    const int64_t h = task % a.padded[1] - a.before[1], d = task / a.padded[1] % a.padded[0] - a.before[0];
    const int64_t group = task / (a.padded[0] * a.padded[1]) % a.groups, n = task / (a.padded[0] * a.padded[1] * a.groups);
    const int64_t pixel = a.words * word_elements<T>;
    E* to = a.to + task * a.padded[2] * pixel;
    const auto fill = [&, zero = a.zero](int64_t begin, int64_t end) {
        for (int64_t i = begin * pixel; i < end * pixel; ++i) to[i] = zero;
    };
    if (d < 0 || d >= a.image.size[0] || h < 0 || h >= a.image.size[1]) return fill(0, a.padded[2]);
    fill(0, a.before[2]);
    fill(a.before[2] + a.image.size[2], a.padded[2]);
    const E* row = a.from + n * a.image.n_stride + group * a.channels * a.image.c_stride + d * a.image.stride[0] +
                   h * a.image.stride[1];
    to += a.before[2] * pixel;
    if (a.image.c_stride == 1)
        gather_channels_last(a, row, to);
    else
        gather_channels_first(a, row, to);
}

}  // namespace
}  // namespace fastconv
