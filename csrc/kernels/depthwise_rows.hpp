// Depthwise with pixels in lanes: rows of one output channel times vectors of its pixels (depthwise.hpp).
#pragma once

#include "depthwise_tiles.hpp"

namespace fastconv {
namespace {

// What a tile of rows of one output channel works through.
template <class T>
struct DepthwiseRows {
    const T* const* rows;
    const T* weights;
    int64_t columns, height;  // of the kernel, over slices, channels and width
    Vec<T> bias;
    const Epilogue<T>* epilogue;
    T* y;
    int64_t pitch, pixels;
};

// Loads whole columns of the kernel.
template <class T>
struct WholeColumns {
    const int64_t* offset;
    int64_t from;
    auto operator()(int64_t w) const {
        return [at = from + offset[w]](const T* row, int v) { return load(row + at + v * lanes<T>); };
    }
};

// The same where some pixels are outside the input: V masks for each of `width` columns.
template <class T, int V>
struct EdgeColumns {
    const int64_t* offset;
    int64_t from;
    const Mask<T>* masks;
    int64_t width, tap = 0;
    struct Load {
        int64_t at;
        Mask<T> inside[V];
        Vec<T> operator()(const T* row, int v) const { return load_masked(row + at + v * lanes<T>, inside[v]); }
    };
    Load operator()(int64_t w) {
        Load load{from + offset[w], {}};
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) load.inside[v] = masks[tap * V + v];
        if (++tap == width) tap = 0;
        return load;
    }
};

// R rows times V vectors of pixels, the last perhaps partial.
template <class T, int R, int V, int S, class Columns>
[[gnu::noinline]] void depthwise_tile(const DepthwiseRows<T>& t, const Columns& columns) {
    Tile<T, R, V> tile;
    tile.begin(t.bias);
    stencil_add_columns<R, V, S>(tile, t.rows, columns, ScalarWeights<T>{t.weights}, t.height, t.columns);
    finish_tile(*t.epilogue, tile, t.y, t.pitch, t.pixels);
}

// Calls f(Constant<V>, first): V vectors at a time, and what is left by half as many, and half of that.
template <class T, int V, class F>
FASTCONV_INLINE void for_each_columns(Range columns, const F& f) {
    constexpr int wide = V * lanes<T>;
    for (; columns.count() > (V > 1 ? wide - lanes<T> : 0); columns.begin += wide) f(Constant<V>{}, columns.begin);
    if constexpr (V > 1) for_each_columns<T, V / 2>(columns, f);
}

// With stride 2, what a tile reads is first dealt out to lines of even and odd columns, zeros outside the input, so that
// every tap reads neighbours and needs no mask.
template <class T>
struct DepthwiseLines {
    int64_t phase;                          // elements of the even or odd columns of a line
    int64_t row;                            // of a row of all slices and channels
    int64_t sources, offsets, data, bytes;  // where the parts of the workspace lie behind the rows, in bytes

    explicit DepthwiseLines(const ConvArgs<T>& a) {
        const bool dealt = a.step[2] == 2;
        const int64_t lines = a.kernel[0] * a.group_in, pointers = depthwise_positions(a, 1, 2);
        const auto whole = [](int64_t bytes) { return parts_of(bytes, vector_bytes) * vector_bytes; };
        phase = (stencil_vectors(1) + parts_of((a.kernel[2] - 1) * a.dilation[2] + 2, 2 * lanes<T>)) * lanes<T>;
        row = 2 * phase * lines;
        sources = pointers;
        offsets = sources + (dealt ? pointers : 0);
        data = offsets + (dealt ? whole(lines * a.kernel[2] * int64_t(sizeof(int64_t)))
                                : whole(a.kernel[2] * stencil_vectors(1) * int64_t(sizeof(Mask<T>))));
        bytes = data + (dealt ? pointers / int64_t(sizeof(T*)) * row * int64_t(sizeof(T)) : 0);
    }
};

// Columns left, left + 1, ... of the input, `count` of them, `from` behind the pointers to its rows.
template <class T>
[[gnu::noinline]] void depthwise_deal(const T* const* sources, const T* const* rows, int64_t row_count, int64_t from,
                                      int64_t to, int64_t left, int64_t count, int64_t size, int64_t phase) {
    constexpr int L = lanes<T>;
    constexpr typename MakeIndices<L>::type all{};
    for (int64_t j = 0; j < count; j += 2 * L) {
        const Range valid = inside(left + j, 1, 2 * L, size);
        const bool whole = valid.count() == 2 * L;
        const Mask<T> low = lanes_between<T>(int(valid.begin), int(valid.end));
        const Mask<T> high = lanes_between<T>(int(valid.begin) - L, int(valid.end) - L);
        for (int64_t i = 0; i < row_count; ++i) {
            if (!rows[i]) continue;
            const T* p = sources[i] + from + j;
            T* line = const_cast<T*>(rows[i]) + to + j / 2;
            const Vec<T> a = whole ? load(p) : load_masked(p, low), b = whole ? load(p + L) : load_masked(p + L, high);
            store(line, even_of(a, b, all));
            store(line + phase, odd_of(a, b, all));
        }
    }
}

// Of some output channels of one image.
template <class T, int S>
inline void depthwise_rows(const ConvArgs<T>& a, const Cell& at, const DepthwiseBlock& block, Range channels,
                           void* workspace) {
    constexpr int L = lanes<T>;
    const int64_t slice = a.reduction / a.kernel[0], width = a.group_in * a.kernel[2];  // weights and columns of one
    const int64_t step = tile_step(S, a.step[1], a.dilation[1], a.kernel[1]), group = a.group_in * a.in.c_stride;
    constexpr bool dealt = S == 2;
    const DepthwiseLines<T> lines(a);
    char* memory = static_cast<char*>(workspace);
    const T** rows = reinterpret_cast<const T**>(memory);
    const T** sources = reinterpret_cast<const T**>(memory + lines.sources);
    int64_t* line_offsets = reinterpret_cast<int64_t*>(memory + lines.offsets);
    Mask<T>* masks = reinterpret_cast<Mask<T>*>(memory + lines.offsets);
    T* data = reinterpret_cast<T*>(memory + lines.data);
    if constexpr (dealt)
        for (int64_t i = 0; i < a.kernel[0] * width; ++i) {
            const int64_t column = i % a.kernel[2] * a.dilation[2];
            line_offsets[i] = (i / a.kernel[2] * 2 + column % 2) * lines.phase + column / 2;
        }

    for_each_slice(a, block.rows, [&](int64_t od, Range outputs) {
        const Range kd = taps_inside(a, 0, od);
        const T* x = a.x + at.n * a.in.n_stride + (od * a.step[0] - a.before[0]) * a.in.stride[0];
        DepthwiseRows<T> t;
        t.rows = rows;
        t.columns = kd.count() * width;
        t.height = a.kernel[1];
        t.epilogue = &a.epilogue;
        const int64_t* offset = (dealt ? line_offsets : a.offsets) + kd.begin * width;
        for_each_tile(outputs, step, [&](auto r, int64_t first) {
            int64_t row_count = 0;
            for (int i = 0; dealt && i < S * r.value; ++i) rows[i] = nullptr;  // short kernels leave some out
            for_each_position<r.value, S>(a, 1, first, step, [&](int64_t i, int64_t ih) {
                const bool exists = 0 <= ih && ih < a.in.size[1];
                const T* source = exists ? x + ih * a.in.stride[1] : nullptr;
                rows[i] = dealt && exists ? data + i * lines.row : source;
                if constexpr (dealt) sources[i] = source;
                row_count = i + 1;
            });
            t.pitch = r.value > 1 ? step * a.out.stride[1] : 0;
            T* y = a.y + at.n * a.out.n_stride + od * a.out.stride[0] + first * a.out.stride[1];
            for_each_columns<T, stencil_vectors(r.value)>(block.columns, [&](auto v, int64_t ow) {
                const int64_t left = ow * S - a.before[2], pixels = v.value * L;
                t.pixels = min_of(pixels, block.columns.end - ow);
                const int64_t seen = (t.pixels - 1) * S + (a.kernel[2] - 1) * a.dilation[2] + 1;
                const bool whole = dealt || (left >= 0 && t.pixels == pixels && left + seen <= a.in.size[2]);
                for (int64_t w = 0; w < (whole ? 0 : a.kernel[2]); ++w) {
                    const Range valid = inside(left + w * a.dilation[2], 1, pixels, a.in.size[2]);
                    for (int i = 0; i < v.value; ++i)
                        masks[w * v.value + i] = lanes_between<T>(int(valid.begin) - i * L, int(valid.end) - i * L);
                }
                for (int64_t channel = channels.begin, held = -1; channel < channels.end; ++channel) {
                    const int64_t g = channel / a.group_out, from = g * group + left;
                    if (dealt && g != held)
                        for (int64_t d = kd.begin; d < kd.end; ++d)
                            for (int64_t c = 0; c < a.group_in; ++c)
                                depthwise_deal(
                                    sources, rows, row_count, from + d * a.dilation[0] * a.in.stride[0] + c * a.in.c_stride,
                                    2 * (d * a.group_in + c) * lines.phase, left, seen, a.in.size[2], lines.phase);
                    held = g;
                    t.weights = a.weights + channel * a.reduction + kd.begin * slice;
                    t.bias = broadcast(a.epilogue.bias ? a.epilogue.bias[channel] : T(0));
                    t.y = y + channel * a.out.c_stride + ow;
                    if (whole)
                        depthwise_tile<T, r.value, v.value, S>(t, WholeColumns<T>{offset, dealt ? 0 : from});
                    else if constexpr (!dealt)
                        depthwise_tile<T, r.value, v.value, S>(t, EdgeColumns<T, v.value>{offset, from, masks, a.kernel[2]});
                }
            });
        });
    });
}

template <class T>
inline void depthwise_pixel_lanes(const ConvArgs<T>& a, int64_t task, void* workspace) {
    const Cell at = cell_of(a, task);
    const DepthwiseBlock block = depthwise_block(a, at.pixel_block);
    const Range channels = block_of(a.groups * a.group_out, 1, a.channel_blocks, at.channel_block);
    const int64_t group_bytes = a.group_in * a.in.size[0] * a.in.size[1] * a.in.size[2] * int64_t(sizeof(T));
    const int64_t together = max_of(depthwise_near_bytes / max_of(group_bytes, 1), 1) * a.group_out;
    for (int64_t first = channels.begin; first < channels.end; first += together) {
        const Range some{first, min_of(first + together, channels.end)};
        with_constant<2>(int(a.step[2]), [&](auto s) { depthwise_rows<T, s.value>(a, at, block, some, workspace); });
    }
}

}  // namespace
}  // namespace fastconv
