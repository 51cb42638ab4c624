// Depthwise with pixels in lanes: rows of one output channel, or fewer of two or four that see the same input, times vectors
// of pixels (depthwise.hpp).
#pragma once

#include "depthwise_tiles.hpp"

namespace fastconv {
namespace {

// What a row of tiles works through: R rows of O output channels of one group.
template <class T>
struct DepthwiseStrip {
    const T* const* rows;
    const T* weights;
    int64_t weight_pitch;     // between output channels
    const int64_t* offset;    // of the columns of the kernel
    int64_t columns, height;  // of the kernel, over slices, channels and width
    const T* bias;            // or null
    const Epilogue<T>* epilogue;
    int64_t pitch, channel_pitch;  // of y
    int64_t room;                  // elements from the last row to the end of the input
};

// Loads columns of the kernel for pixels S apart.
template <class T, int S>
struct WholeColumns {
    const int64_t* offset;
    int64_t from;
    template <class F>
    FASTCONV_INLINE void operator()(int64_t w, const F& f) const {
        f([at = from + offset[w]](const T* row, int v) { return load_step<S>(row + at + v * S * lanes<T>); });
    }
};

// The same where some of the pixels are outside the input, whose rows are `size` long, or outside the output, which has
// but so many of them. The first sees column `left` first. A masked load takes a turn of the unit that multiplies, so masks
// are for those columns of the kernel alone that need them.
template <class T, int S, int V>
struct EdgeColumns {
    const int64_t* offset;
    int64_t from, pixels, left, size, dilation, width;
    int64_t room;  // elements from the last row to the end of the input
    int64_t tap = 0;

    template <class F>
    FASTCONV_INLINE void operator()(int64_t w, const F& f) {
        constexpr int L = lanes<T>;
        const int64_t at = from + offset[w], first = left + tap * dilation;
        if (++tap == width) tap = 0;
        if (first >= 0 && first + (pixels - 1) * S < size && at + (V * L - 1) * S < room)
            return f([at](const T* row, int v) { return load_step<S>(row + at + v * S * L); });
        const auto pixels_of = [](int64_t columns) {
            return int(columns < 0 ? 0 : min_of((columns + S - 1) / S, int64_t(V) * L));
        };
        const int begin = pixels_of(-first), end = pixels_of(size - first);
        StepMask<T, S> inside[V];
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) inside[v] = StepMask<T, S>(begin - v * L, end - v * L);
        f([at, &inside](const T* row, int v) { return load_step<S>(row + at + v * S * L, inside[v]); });
    }
};

// R rows times V vectors of pixels of O channels, the last vector perhaps partial.
template <class T, int R, int V, int S, int O, class Columns>
FASTCONV_INLINE void depthwise_tile(const DepthwiseStrip<T>& t, const Columns& columns, T* y, int64_t pixels) {
    Tile<T, O * R, V> tile;
#pragma GCC unroll 8
    for (int o = 0; o < O; ++o) {
        const Vec<T> bias = broadcast(t.bias ? t.bias[o] : T(0));
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
            for (int v = 0; v < V; ++v) tile.sum[o * R + r][v] = bias;
    }
    stencil_add_columns<R, V, S, O>(tile, t.rows, columns, ScalarWeights<T>{t.weights, t.weight_pitch}, t.height, t.columns);
#pragma GCC unroll 8
    for (int o = 0; o < O; ++o) {
        Tile<T, R, V> part;
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
            for (int v = 0; v < V; ++v) part.sum[r][v] = tile.sum[o * R + r][v];
        finish_tile(*t.epilogue, part, y + o * t.channel_pitch, t.pitch, pixels);
    }
}

// `count` tiles that see nothing outside the input.
template <class T, int R, int V, int S, int O>
[[gnu::noinline]] void depthwise_whole_tiles(const DepthwiseStrip<T>& t, int64_t from, T* y, int64_t count) {
    constexpr int64_t pixels = V * lanes<T>;
    for (; count > 0; --count, from += pixels * S, y += pixels)
        depthwise_tile<T, R, V, S, O>(t, WholeColumns<T, S>{t.offset, from}, y, pixels);
}

template <class T, int R, int V, int S, int O>
[[gnu::noinline]] void depthwise_edge_tile(const DepthwiseStrip<T>& t, const EdgeColumns<T, S, V>& columns, T* y) {
    depthwise_tile<T, R, V, S, O>(t, columns, y, columns.pixels);
}

// A row of tiles over some columns of the output: V vectors of pixels at a time, what is left by half as many, and half of
// that.
template <class T, int R, int V, int S, int O>
inline void depthwise_strip(const ConvArgs<T>& a, const DepthwiseStrip<T>& t, int64_t group, Range columns, T* y) {
    constexpr int64_t wide = V * lanes<T>;
    constexpr bool widest = V == stencil_vectors(O * R);  // narrower ones lie at the end, which is an edge most of the time
    const int64_t reach = (wide - 1) * S + (a.kernel[2] - 1) * a.dilation[2];  // of a tile behind its first column
    while (columns.count() > (V > 1 ? wide - lanes<T> : 0)) {
        const int64_t left = columns.begin * S - a.before[2], room = a.in.size[2] - 1 - reach - left;
        int64_t pixels = min_of(wide, columns.count());
        if (widest && left >= 0 && room >= 0 && pixels == wide) {
            const int64_t tiles = min_of(columns.count() / wide, room / (wide * S) + 1);
            if constexpr (widest) depthwise_whole_tiles<T, R, V, S, O>(t, group + left, y + columns.begin, tiles);
            pixels = tiles * wide;
        } else {
            const EdgeColumns<T, S, V> edge{t.offset,     group + left,  pixels,      left,
                                            a.in.size[2], a.dilation[2], a.kernel[2], t.room};
            depthwise_edge_tile<T, R, V, S, O>(t, edge, y + columns.begin);
        }
        columns.begin += pixels;
    }
    if constexpr (V > 1) depthwise_strip<T, R, V / 2, S, O>(a, t, group, columns, y);
}

// Some output channels of one image, O of them at a time.
template <class T, int S, int O>
inline void depthwise_rows(const ConvArgs<T>& a, const Cell& at, const DepthwiseBlock& block, Range channels,
                           void* workspace) {
    const int64_t slice = a.reduction / a.kernel[0], width = a.group_in * a.kernel[2];  // weights and columns of one
    const int64_t step = tile_step(S, a.step[1], a.dilation[1], a.kernel[1]), group = a.group_in * a.in.c_stride;
    const T** rows = static_cast<const T**>(workspace);
    for_each_slice(a, block.rows, [&](int64_t od, Range outputs) {
        const Range kd = taps_inside(a, 0, od);
        const T* x = a.x + at.n * a.in.n_stride + (od * a.step[0] - a.before[0]) * a.in.stride[0];
        DepthwiseStrip<T> t;
        t.rows = rows;
        t.weight_pitch = a.reduction;
        t.offset = a.offsets + kd.begin * width;
        t.columns = kd.count() * width;
        t.height = a.kernel[1];
        t.epilogue = &a.epilogue;
        t.channel_pitch = a.out.c_stride;
        for_each_tile<stencil_rows / O>(outputs, step, [&](auto r, int64_t first) {
            const T* last = x;
            for_each_position<r.value, S>(a, 1, first, step, [&](int64_t i, int64_t ih) {
                rows[i] = 0 <= ih && ih < a.in.size[1] ? x + ih * a.in.stride[1] : nullptr;
                if (rows[i] && rows[i] > last) last = rows[i];
            });
            t.room = a.x + a.batch * a.in.n_stride - last;
            t.pitch = r.value > 1 ? step * a.out.stride[1] : 0;
            T* y = a.y + at.n * a.out.n_stride + od * a.out.stride[0] + first * a.out.stride[1];
            for (int64_t channel = channels.begin; channel < channels.end; channel += O) {
                t.weights = a.weights + channel * a.reduction + kd.begin * slice;
                t.bias = a.epilogue.bias ? a.epilogue.bias + channel : nullptr;
                depthwise_strip<T, r.value, stencil_vectors(r.value * O), S, O>(a, t, channel / a.group_out * group,
                                                                                block.columns, y + channel * a.out.c_stride);
            }
        });
    });
}

template <class T>
inline void depthwise_pixel_lanes(const ConvArgs<T>& a, int64_t task, void* workspace) {
    const Cell at = cell_of(a, task);
    const DepthwiseBlock block = depthwise_block(a, at.pixel_block);
    const Range channels = block_of(a.groups * a.group_out, a.channel_block, a.channel_blocks, at.channel_block);
    const int64_t plane_bytes = a.in.size[0] * a.in.size[1] * a.in.size[2] * int64_t(sizeof(T));
    const int64_t planes = max_of(depthwise_near_bytes / max_of(plane_bytes, 1), 1);
    with_constant<2>(int(a.step[2]), [&](auto s) {
        const auto do_channels = [&](auto o, int64_t first, int64_t count) {
            depthwise_rows<T, s.value, o.value>(a, at, block, {first, first + count}, workspace);
            return count;
        };
        for (int64_t first = channels.begin; first < channels.end;) {
            const int64_t left = min_of(channels.end - first, a.group_out - first % a.group_out);
            first += a.group_out == 1 ? do_channels(Constant<1>{}, first, min_of(planes, channels.end - first))
                     : left >= 4      ? do_channels(Constant<4>{}, first, 4)
                     : left >= 2      ? do_channels(Constant<2>{}, first, 2)
                                      : do_channels(Constant<1>{}, first, 1);
        }
    });
}

}  // namespace
}  // namespace fastconv
