// 1x1 convolution with stride 1 and no padding: a matrix product with the input in place, or with a tile of it copied.
//
//     y[n, oc, p] = sum_c w[oc, c] * x[n, c, p]        p: a pixel, whatever the number of spatial axes
//
// Pixels in lanes where channels come first and the pixels fill whole tiles well enough; else channels in lanes.
//
// Loops: task (group, block of output channels, image, block of pixels) -> with pixels in lanes some pixel tiles -> channel
// tile -> pixel tile, so that a few tiles of the input stay in the caches while the weights of the block stream past them;
// with channels in lanes pixel tile, past which its panel does.
#pragma once

#include "copy.hpp"
#include "gemm.hpp"

namespace fastconv {
namespace {

// Sums of so few products are stored so often that stores would wait for their lines: they are asked for before the
// products.
constexpr int few_products_of_tile = 128;

// So many tiles of channels read a tile of pixels that it is copied to where its rows follow each other: as they lie they
// may compete for a set of the cache, cross its lines and lie in a page each. Short ones stay in the first-level cache
// anyway.
template <class T>
inline bool worth_copying(const ConvArgs<T>& a, int64_t channel_tiles) {
    return channel_tiles >= (a.reduction <= few_products_of_tile ? 8 : 3);
}

// As few read a tile of pixels that reading it takes the time: the next ones are asked for meanwhile.
constexpr int64_t few_channel_tiles = 2;

// Tiles of pixels that are copied together, and whose outputs each tile of channels writes one after the other: rows are
// read and written in longer runs so. They stay in the second-level cache.
template <class T>
inline int64_t tiles_together(const ConvArgs<T>& a) {
    constexpr int64_t most_bytes = 1 << 20, row_bytes = tile_vectors * lanes<T> * int64_t(sizeof(T));
    return min_of(max_of(most_bytes / max_of(a.reduction * row_bytes, 1), 1), 4);
}

// Panels of a tile of pixels each, the last perhaps filled in part.
template <class T>
inline void copy_pixels(const ConvArgs<T>& a, const T* x, Range pixels, T* panel) {
    constexpr int L = lanes<T>;
    constexpr int64_t wide = tile_vectors * L;
    for (int64_t k = 0; k < a.reduction; ++k) {
        const T* from = x + k * a.in.c_stride;
        T* to = panel + k * wide;
        for (int64_t p = pixels.begin; p < pixels.end; p += wide, to += a.reduction * wide) {
            const int64_t count = min_of(wide, pixels.end - p);
            if (count == wide) {
#pragma GCC unroll 2
                for (int v = 0; v < tile_vectors; ++v) store(to + v * L, load(from + p + v * L));
            } else {
                for (int64_t v = 0; v < count; v += L)
                    store(to + v, count - v >= L ? load(from + p + v) : load_partial(from + p + v, int(count - v)));
            }
        }
    }
}

template <class T>
inline void pointwise_pixel_lanes(const ConvArgs<T>& a, const Cell& at, const T* x, T* y, Range pixels, T* panel) {
    constexpr int L = lanes<T>;
    constexpr int64_t wide = tile_vectors * L;
    const int64_t group_channel = at.group * a.group_out, tiles = parts_of(a.group_out, tile_rows);
    const int64_t first_tile = part_begin(tiles, a.channel_blocks, at.channel_block);
    const int64_t last_tile = part_begin(tiles, a.channel_blocks, at.channel_block + 1);
    const bool copied = worth_copying(a, last_tile - first_tile), few = last_tile - first_tile <= few_channel_tiles;
    const int64_t together = tiles_together(a) * wide;
    for (int64_t begin = pixels.begin; begin < pixels.end; begin += together) {
        const int64_t end = min_of(begin + together, pixels.end);
        if (copied) copy_pixels(a, x, {begin, end}, panel);
        for (int64_t t = first_tile; t < last_tile; ++t) {
            const int64_t channel = group_channel + part_begin(a.group_out, tiles, t);
            const int64_t channels = group_channel + part_begin(a.group_out, tiles, t + 1) - channel;
            const T* weights = a.weights + (channel - a.weights_first) * a.reduction;
            const T* bias = bias_of(a.epilogue, channel);
            for (int64_t p = begin; p < end; p += wide) {
                const int64_t count = min_of(wide, end - p);
                T* to = y + channel * a.out.c_stride + p;
                if (a.reduction <= few_products_of_tile)
                    for (int64_t m = 0; m < channels; ++m) prefetch_run<1>(to + m * a.out.c_stride, count);
                const auto multiply = [&](const auto& columns) FASTCONV_INLINED {
                    gemm_pixel_lanes(
                        weights, channels, Range{0, a.reduction}, columns, count, copied,
                        [&](auto& tile) FASTCONV_INLINED { tile.begin_rows(bias); },
                        [&](auto& tile) FASTCONV_INLINED { finish_tile(a.epilogue, tile, to, a.out.c_stride, count); });
                };
                if (few && t == first_tile && end < pixels.end)
                    multiply(ColumnsBeforeNext<T>{x + p, a.in.c_stride, together});
                else
                    multiply(Columns<T>{copied ? panel + (p - begin) * a.reduction : x + p, copied ? wide : a.in.c_stride});
            }
        }
    }
}

template <class T>
int64_t pointwise_workspace(const ConvArgs<T>& a) {
    return a.pixel_lanes ? tiles_together(a) * a.reduction * tile_vectors * lanes<T> * int64_t(sizeof(T)) : 0;
}

template <class T>
inline void pointwise_channel_lanes(const ConvArgs<T>& a, const Cell& at, const T* x, T* y, Range pixels) {
    alignas(64) T c[tile_buffer_rows<T> * tile_pitch<T>];
    const Panel panel = panel_of(a, at.group, at.channel_block);
    const int64_t channel = at.group * a.group_out + panel.channel;
    const T* weights = a.weights + (panel.weights - a.weights_first) * a.reduction;
    const int64_t tiles = parts_of(pixels.count(), panel_rows(panel.width / lanes<T>));
    for (int64_t t = 0; t < tiles; ++t) {
        const int64_t p = pixels.begin + part_begin(pixels.count(), tiles, t);
        const int64_t count = pixels.begin + part_begin(pixels.count(), tiles, t + 1) - p;
        const auto multiply = [&](const auto& rows) FASTCONV_INLINED {
            gemm_channel_lanes(c, weights, bias_of(a.epilogue, channel), panel, Range{0, a.reduction}, a.reduction, rows,
                               count, t, tiles, [&](auto& tile) FASTCONV_INLINED {
                                   T* to = y + channel * a.out.c_stride + p * a.out.stride[2];
                                   if (!a.channels_first)
                                       return finish_tile(a.epilogue, tile, to, a.out.stride[2], panel.channels);
                                   tile.store_to(c, tile_pitch<T>);
                                   finish_transposed(a.epilogue, c, tile_pitch<T>, count, panel.channels, to,
                                                     a.out.c_stride);
                               });
        };
        if (a.channels_first)
            multiply(PanelRowsBeforeNext<T>{x + p, a.in.c_stride, 2 * count - 1});
        else
            multiply(DenseRows<T>{x + p * a.in.stride[2], a.in.stride[2]});
    }
}

template <class T>
void pointwise(const ConvArgs<T>& a, int64_t task, void* workspace) {
    const Cell at = cell_of(a, task);
    // The plan flattens all spatial axes into the last.
    const int64_t unit = a.pixel_lanes ? tile_vectors * lanes<T> : tile_rows;
    const Range pixels = block_of(a.out.size[2], unit, a.pixel_blocks, at.pixel_block);
    const T* x = a.x + at.n * a.in.n_stride + at.group * a.group_in * a.in.c_stride;
    T* y = a.y + at.n * a.out.n_stride;
    if (a.pixel_lanes)
        pointwise_pixel_lanes(a, at, x, y, pixels, static_cast<T*>(workspace));
    else
        pointwise_channel_lanes(a, at, x, y, pixels);
}

}  // namespace
}  // namespace fastconv
