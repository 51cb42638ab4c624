// Convolution of bytes on words (dot_args.hpp): channels in lanes, the tile of tile.hpp, padding and all in memory, so that
// the taps of a row of the kernel are one run of words.
//
// Loops: task (group, panel, image, block of rows) -> row -> strip of tiles -> tile -> rows of the kernel. Sums are exact
// modulo 2^32. Those of a strip wait in a buffer, from where they are stored as they are, or scaled, rounded to the nearest
// integer, ties to even, and cut to bytes.
#pragma once

#include "dot_args.hpp"
#include "grid.hpp"
#include "tile.hpp"

namespace fastconv {
namespace {

struct DotProduct {
    template <class T>
    static Vec<T> add(Vec<T> a, Vec<T> b, Vec<T> sum) {
        return dot_add(a, b, sum);
    }
};

constexpr int dot_vectors = 2, dot_strip = 112;
constexpr int dot_pitch = dot_vectors * lanes<int32_t>;

// M pixels from x on, whose sums go to c.
template <int M, int V>
inline void dot_pixels(const DotArgs& a, const int32_t* x, const int32_t* weights, const int32_t* start, int channels,
                       int32_t* c) {
    constexpr int width = V * lanes<int32_t>;
    Tile<int32_t, M, V> tile;
    tile.begin_columns(start, V - 1, first_lanes<int32_t>(channels - (V - 1) * lanes<int32_t>));
    const int64_t runs = a.dilation[2] == 1 ? 1 : a.kernel[2], words = a.words * (a.kernel[2] / runs);
    for (int64_t kd = 0; kd < a.kernel[0]; ++kd)
        for (int64_t kh = 0; kh < a.kernel[1]; ++kh)
            for (int64_t run = 0; run < runs; ++run, weights += words * width)
                tile.template add<DotProduct>(
                    DenseRows<int32_t>{x + kd * a.dilation[0] * a.in.stride[0] + kh * a.dilation[1] * a.in.stride[1] +
                                           run * a.dilation[2] * a.in.stride[2],
                                       a.step[2] * a.in.stride[2]},
                    Columns<int32_t>{weights, width}, words);
    tile.store_to(c, dot_pitch);
}

// Sums as they are.
struct PlainSums {
    Vec<int32_t> operator()(Vec<int32_t> sum, int) const { return sum; }
};

// What bytes will hold instead.
struct Requantized {
    const DotArgs& a;
    Vec<float> scale[dot_vectors];
    Requantized(const DotArgs& args, int64_t channel, int channels) : a(args) {
        for (int v = 0; v < dot_vectors; ++v)
            scale[v] =
                load_partial(a.scale + channel + v * lanes<float>, between(0, channels - v * lanes<float>, lanes<float>));
    }
    Vec<int32_t> operator()(Vec<int32_t> sum, int v) const {
        const Vec<float> low = broadcast(float(a.low - a.zero)), high = broadcast(float(a.high - a.zero));
        const Vec<float> scaled = at_most(at_least(__builtin_convertvector(sum, Vec<float>) * scale[v], low), high);
        // Adding this leaves the nearest integer in the low bits.
        constexpr float nearest = 0x1.8p23f;
        return (Vec<int32_t>)(scaled + nearest) - ((Vec<int32_t>)broadcast(nearest) - a.zero);
    }
};

inline void store_lanes(int32_t* to, Vec<int32_t> v, int count) { store_partial(to, v, count); }
inline void store_lanes(uint8_t* to, Vec<int32_t> v, int count) { store_bytes(to, v, count); }

template <class T, class Become>
inline void store_strip(const DotArgs& a, const int32_t* c, int64_t pixels, int channels, const Become& become, T* y) {
    constexpr int L = lanes<int32_t>;
    if (!a.channels_first) {
        for (int64_t p = 0; p < pixels; ++p)
            for (int i = 0; i < channels; i += L)
                store_lanes(y + p * a.out.stride[2] + i, become(load(c + p * dot_pitch + i), i / L),
                            between(0, channels - i, L));
        return;
    }
    for (int i = 0; i < channels; i += L)
        for (int64_t p = 0; p < pixels; p += L) {
            const int count = int(min_of(pixels - p, L));
            Vec<int32_t> block[L];
#pragma GCC unroll 16
            for (int j = 0; j < L; ++j) block[j] = become(load(c + (p + j) * dot_pitch + i), i / L);
            transpose<int32_t>(block);
#pragma GCC unroll 16
            for (int j = 0; j < L; ++j)
                if (i + j < channels) store_lanes(y + (i + j) * a.out.c_stride + p, block[j], count);
        }
}

template <int V>
inline void dot_row(const DotArgs& a, const int32_t* x, const int32_t* weights, int64_t channel, int channels, int64_t y) {
    constexpr int most = rows_of(V), strip_tiles = dot_strip / most;
    const int64_t width = a.out.size[2], tiles = parts_of(width, most);
    const auto begin = [&](int64_t t) { return part_begin(width, tiles, t); };
    alignas(64) int32_t c[(dot_strip + lanes<int32_t>)*dot_pitch];
    for (int64_t first = 0; first < tiles; first += strip_tiles) {
        const int64_t last = min_of(tiles, first + strip_tiles), strip = begin(first), pixels = begin(last) - strip;
        for (int64_t t = first; t < last; ++t)
            with_constant<most>(int(begin(t + 1) - begin(t)), [&](auto m) {
                dot_pixels<m.value, V>(a, x + begin(t) * a.step[2] * a.in.stride[2], weights, a.start + channel, channels,
                                       c + (begin(t) - strip) * dot_pitch);
            });
        const int64_t to = y + strip * a.out.stride[2];
        if (a.scale)
            store_strip(a, c, pixels, channels, Requantized(a, channel, channels), static_cast<uint8_t*>(a.y) + to);
        else
            store_strip(a, c, pixels, channels, PlainSums{}, static_cast<int32_t*>(a.y) + to);
    }
}

void dot(const DotArgs& a, int64_t task) {
    constexpr int L = lanes<int32_t>;
    const int64_t block = task % a.row_blocks, n = task / a.row_blocks % a.images,
                  panel = task / (a.row_blocks * a.images) % a.panels, group = task / (a.row_blocks * a.images * a.panels);
    const int64_t first = panel * dot_pitch, channel = group * a.group_out + first;
    const int channels = int(min_of(a.group_out - first, dot_pitch));
    const int64_t products = a.words * a.kernel[0] * a.kernel[1] * a.kernel[2];
    const int32_t* weights = a.weights + (group * parts_of(a.group_out, L) * L + first) * products;
    const int32_t* x = a.x + n * a.in.n_stride + group * a.in.c_stride;
    const int64_t y = n * a.out.n_stride + channel * a.out.c_stride, rows = a.out.size[0] * a.out.size[1];
    for (int64_t r = part_begin(rows, a.row_blocks, block); r < part_begin(rows, a.row_blocks, block + 1); ++r) {
        const int64_t od = r / a.out.size[1], oh = r % a.out.size[1];
        with_constant<dot_vectors>(int(parts_of(channels, L)), [&](auto v) {
            dot_row<v.value>(a, x + od * a.step[0] * a.in.stride[0] + oh * a.step[1] * a.in.stride[1], weights, channel,
                             channels, y + od * a.out.stride[0] + oh * a.out.stride[1]);
        });
    }
}

}  // namespace
}  // namespace fastconv
