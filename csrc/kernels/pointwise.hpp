// 1x1 convolution with stride 1 and no padding: a matrix product with the input in place.
//
//     y[n, oc, p] = sum_c w[oc, c] * x[n, c, p]        p: a pixel, whatever the number of spatial axes
//
// Pixels in lanes where channels come first and the pixels fill whole tiles well enough; else channels in lanes.
//
// Loops: task (image, group, block of output channels, block of pixels) -> pixel tile -> channel tile, so that a tile of
// the input stays in first-level cache while the weights of the block stream past it.
#pragma once

#include "gemm.hpp"

namespace fastconv {
namespace {

template <class T>
inline void pointwise_pixel_lanes(const ConvArgs<T>& a, const Cell& at, const T* x, T* y, Range pixels) {
    alignas(64) T c[tile_buffer_rows<T> * tile_pitch<T>];
    const int64_t group_channel = at.group * a.group_out, tiles = parts_of(a.group_out, tile_rows);
    const int64_t last_tile = part_begin(tiles, a.channel_blocks, at.channel_block + 1);
    for (int64_t column = pixels.begin; column < pixels.end; column += tile_pitch<T>) {
        // The last tile is moved back to end where the block ends; it computes some pixels again, to the same bits.
        const int64_t p = max_of(pixels.begin, min_of(column, pixels.end - tile_pitch<T>));
        const int64_t count = min_of(tile_pitch<T>, pixels.end - p);
        for (int64_t t = part_begin(tiles, a.channel_blocks, at.channel_block); t < last_tile; ++t) {
            const int64_t channel = part_begin(a.group_out, tiles, t);
            const int64_t rows = part_begin(a.group_out, tiles, t + 1) - channel;
            gemm_pixel_lanes(c, a.weights + (group_channel + channel) * a.reduction, rows, Range{0, a.reduction}, x + p,
                             a.in.c_stride, count, false);
            store_channel_rows(a.epilogue, c, tile_pitch<T>, int(rows), group_channel + channel, count, y + p,
                               a.out.c_stride);
        }
    }
}

template <class T>
inline void pointwise_channel_lanes(const ConvArgs<T>& a, const Cell& at, const T* x, T* y, Range pixels) {
    alignas(64) T c[tile_buffer_rows<T> * tile_pitch<T>];
    const int64_t channel = at.channel_block * a.channel_block;
    const int64_t channels = min_of(a.channel_block, a.group_out - channel);
    const T* weights = a.weights + (at.group * a.channel_blocks + at.channel_block) * a.reduction * a.channel_block;
    const Range k{0, a.reduction};
    const int64_t tiles = parts_of(pixels.count(), tile_rows);
    for (int64_t t = 0; t < tiles; ++t) {
        const int64_t p = pixels.begin + part_begin(pixels.count(), tiles, t);
        const int64_t count = pixels.begin + part_begin(pixels.count(), tiles, t + 1) - p;
        if (a.channels_first)
            gemm_channel_lanes(c, weights, a.channel_block, k, PanelRows<T>{x + p, a.in.c_stride}, count);
        else
            gemm_channel_lanes(c, weights, a.channel_block, k, DenseRows<T>{x + p * a.in.stride[2], a.in.stride[2]}, count);
        store_pixel_rows(a.epilogue, c, tile_pitch<T>, count, at.group * a.group_out + channel, channels,
                         y + p * a.out.stride[2], a.out.c_stride, a.out.stride[2]);
    }
}

template <class T>
void pointwise(const ConvArgs<T>& a, int64_t task, void*) {
    const Cell at = cell_of(a, task);
    // The plan flattens all spatial axes into the last.
    const Range pixels = block_of(a.out.size[2], a.pixel_lanes ? tile_pitch<T> : tile_rows, a.pixel_blocks, at.pixel_block);
    const T* x = a.x + at.n * a.in.n_stride + at.group * a.group_in * a.in.c_stride;
    T* y = a.y + at.n * a.out.n_stride;
    if (a.pixel_lanes)
        pointwise_pixel_lanes(a, at, x, y, pixels);
    else
        pointwise_channel_lanes(a, at, x, y, pixels);
}

}  // namespace
}  // namespace fastconv
