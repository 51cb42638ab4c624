// Convolution of bytes or half-sized floats on words (dot_args.hpp): channels in lanes, the tile of tile.hpp, padding and
// all in memory, so that the taps of a row of the kernel are one run of words.
//
// Loops: task (group, panel, image, block of rows) -> row -> strip of tiles -> tile -> rows of the kernel. Sums of bytes are
// exact modulo 2^32. Those of a strip wait in a buffer, from where they are stored as they are, or scaled, rounded to the
// nearest integer, ties to even, and cut to bytes.
#pragma once

#include "dot_args.hpp"
#include "epilogue.hpp"
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
template <int M, int V, class T>
inline void dot_pixels(const DotArgs<T>& a, const T* x, const T* weights, const T* start, int channels, T* c) {
    constexpr int width = V * lanes<int32_t>;
    Tile<T, M, V> tile;
    tile.begin_columns(start, V - 1, first_lanes<T>(channels - (V - 1) * lanes<int32_t>));
    const int64_t runs = a.dilation[2] == 1 ? 1 : a.kernel[2], words = a.words * (a.kernel[2] / runs);
    for (int64_t kd = 0; kd < a.kernel[0]; ++kd)
        for (int64_t kh = 0; kh < a.kernel[1]; ++kh)
            for (int64_t run = 0; run < runs; ++run, weights += words * width)
                tile.template add<DotProduct>(
                    DenseRows<T>{x + kd * a.dilation[0] * a.in.stride[0] + kh * a.dilation[1] * a.in.stride[1] +
                                     run * a.dilation[2] * a.in.stride[2],
                                 a.step[2] * a.in.stride[2]},
                    Columns<T>{weights, width}, words);
    tile.store_to(c, dot_pitch);
}

// Sums as they are.
struct PlainSums {
    using To = int32_t;
    Vec<int32_t> operator()(Vec<int32_t> sum, int) const { return sum; }
};

// What bytes will hold instead.
struct Requantized {
    using To = uint8_t;
    const DotArgs<int32_t>& a;
    Vec<float> scale[dot_vectors];
    Requantized(const DotArgs<int32_t>& args, int64_t channel, int channels) : a(args) {
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

// The bits of half-sized floats.
struct Narrowed {
    using To = uint16_t;
    const Epilogue<float>& epilogue;
    Vec<int32_t> operator()(Vec<float> sum, int) const {
        return __builtin_convertvector(narrow_bf16(activate(epilogue, sum)), Vec<int32_t>);
    }
};

template <class T, class Become>
inline void store_strip(const DotArgs<T>& a, const T* c, int64_t pixels, int channels, const Become& become, int64_t to) {
    constexpr int L = lanes<int32_t>;
    auto* y = static_cast<typename Become::To*>(a.y) + to;
    if (!a.channels_first) {
        for (int64_t p = 0; p < pixels; ++p)
            for (int i = 0; i < channels; i += L)
                store_narrow(y + p * a.out.stride[2] + i, become(load(c + p * dot_pitch + i), i / L),
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
                if (i + j < channels) store_narrow(y + (i + j) * a.out.c_stride + p, block[j], count);
        }
}

template <int V, class T>
inline void dot_row(const DotArgs<T>& a, const T* x, const T* weights, int64_t channel, int channels, int64_t y) {
    constexpr int most = rows_of(V), strip_tiles = dot_strip / most;
    const int64_t width = a.out.size[2], tiles = parts_of(width, most);
    const auto begin = [&](int64_t t) { return part_begin(width, tiles, t); };
    alignas(64) T c[(dot_strip + lanes<int32_t>)*dot_pitch];
    for (int64_t first = 0; first < tiles; first += strip_tiles) {
        const int64_t last = min_of(tiles, first + strip_tiles), strip = begin(first), pixels = begin(last) - strip;
        for (int64_t t = first; t < last; ++t)
            with_constant<most>(int(begin(t + 1) - begin(t)), [&](auto m) {
                dot_pixels<m.value, V>(a, x + begin(t) * a.step[2] * a.in.stride[2], weights,
                                       a.start ? a.start + channel : nullptr, channels, c + (begin(t) - strip) * dot_pitch);
            });
        const int64_t to = y + strip * a.out.stride[2];
        if constexpr (std::is_same_v<T, float>)
            store_strip(a, c, pixels, channels, Narrowed{a.epilogue}, to);
        else if (a.scale)
            store_strip(a, c, pixels, channels, Requantized(a, channel, channels), to);
        else
            store_strip(a, c, pixels, channels, PlainSums{}, to);
    }
}

template <class T>
void dot(const DotArgs<T>& a, int64_t task) {
    constexpr int L = lanes<int32_t>;
    const int64_t block = task % a.row_blocks, n = task / a.row_blocks % a.images,
                  panel = task / (a.row_blocks * a.images) % a.panels, group = task / (a.row_blocks * a.images * a.panels);
    const int64_t first = panel * dot_pitch, channel = group * a.group_out + first;
    const int channels = int(min_of(a.group_out - first, dot_pitch));
    const int64_t products = a.words * a.kernel[0] * a.kernel[1] * a.kernel[2];
    const T* weights = a.weights + (group * parts_of(a.group_out, L) * L + first) * products;
    const T* x = a.x + n * a.in.n_stride + group * a.in.c_stride;
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
