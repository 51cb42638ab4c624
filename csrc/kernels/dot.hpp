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

// The pixels of a strip of a row, whose outputs begin at `to`.
template <class T>
inline void store_sums(const DotArgs<T>& a, const T* c, int64_t pixels, int64_t channel, int channels, int64_t to) {
    if constexpr (std::is_same_v<T, float>)
        store_strip(a, c, pixels, channels, Narrowed{a.epilogue}, to);
    else if (a.scale)
        store_strip(a, c, pixels, channels, Requantized(a, channel, channels), to);
    else
        store_strip(a, c, pixels, channels, PlainSums{}, to);
}

// What a task does: some rows of a panel.
template <class T>
struct DotCell {
    int64_t channel;  // the first of the panel
    int channels;
    const T* weights;
    const T* x;  // of the image's group
    int64_t y, begin, end;

    DotCell(const DotArgs<T>& a, int64_t task) {
        const int64_t block = task % a.row_blocks, n = task / a.row_blocks % a.images;
        const int64_t panel = task / (a.row_blocks * a.images) % a.panels,
                      group = task / (a.row_blocks * a.images * a.panels);
        const int64_t first = panel * dot_pitch, products = a.words * a.kernel[0] * a.kernel[1] * a.kernel[2];
        channel = group * a.group_out + first;
        channels = int(min_of(a.group_out - first, dot_pitch));
        weights = a.weights + (group * parts_of(a.group_out, lanes<T>) * lanes<T> + first) * products;
        x = a.x + n * a.in.n_stride + group * a.in.c_stride;
        y = n * a.out.n_stride + channel * a.out.c_stride;
        const int64_t rows = a.out.size[0] * a.out.size[1];
        begin = part_begin(rows, a.row_blocks, block);
        end = part_begin(rows, a.row_blocks, block + 1);
    }

    // Calls f(where the words of a row begin, where its outputs do).
    template <class F>
    void for_each_row(const DotArgs<T>& a, const F& f) const {
        for (int64_t r = begin; r < end; ++r) {
            const int64_t od = r / a.out.size[1], oh = r % a.out.size[1];
            f(x + od * a.step[0] * a.in.stride[0] + oh * a.step[1] * a.in.stride[1],
              y + od * a.out.stride[0] + oh * a.out.stride[1]);
        }
    }
};

template <int V, class T>
inline void dot_row(const DotArgs<T>& a, const DotCell<T>& at, const T* x, int64_t y) {
    constexpr int most = rows_of(V), strip_tiles = dot_strip / most;
    const int64_t width = a.out.size[2], tiles = parts_of(width, most);
    const T* start = a.start ? a.start + at.channel : nullptr;
    const auto begin = [&](int64_t t) { return part_begin(width, tiles, t); };
    alignas(64) T c[(dot_strip + lanes<T>)*dot_pitch];
    for (int64_t first = 0; first < tiles; first += strip_tiles) {
        const int64_t last = min_of(tiles, first + strip_tiles), strip = begin(first);
        for (int64_t t = first; t < last; ++t)
            with_constant<most>(int(begin(t + 1) - begin(t)), [&](auto m) {
                dot_pixels<m.value, V>(a, x + begin(t) * a.step[2] * a.in.stride[2], at.weights, start, at.channels,
                                       c + (begin(t) - strip) * dot_pitch);
            });
        store_sums(a, c, begin(last) - strip, at.channel, at.channels, y + strip * a.out.stride[2]);
    }
}

template <class T>
void dot(const DotArgs<T>& a, int64_t task) {
    const DotCell<T> at(a, task);
    at.for_each_row(a, [&](const T* x, int64_t y) {
        with_constant<dot_vectors>(int(parts_of(at.channels, lanes<T>)), [&](auto v) { dot_row<v.value>(a, at, x, y); });
    });
}

}  // namespace
}  // namespace fastconv
