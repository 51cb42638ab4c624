// 1x1 convolution with stride 1 and no padding: a matrix product with the input in place.
//
//     y[n, oc, p] = sum_c w[oc, c] * x[n, c, p]        p: a pixel, whatever the number of spatial axes
//
// Loops: task (image, group, block of output channels, block of pixels) -> pixel tile -> channel tile, so that a tile of
// the input stays in first-level cache while the weights of the block stream past it.
#pragma once

#include "gemm.hpp"

namespace fastconv {
namespace {

template <class T>
void pointwise(const ConvArgs<T>& a, int64_t task, void*) {
    const Cell at = cell_of(a, task);
    const int64_t pixels = a.out.size[2];  // the plan flattens all spatial axes into the last
    const int64_t first = at.pixel_block * a.pixel_block, last = min_of(pixels, first + a.pixel_block);
    const Range k{0, a.reduction};
    const T* x = a.x + at.n * a.in.n_stride + at.group * a.group_in * a.in.c_stride;
    const T* weights = a.weights;
    T* y = a.y + at.n * a.out.n_stride;
    const int64_t group_channel = at.group * a.group_out;
    alignas(64) T c[tile_buffer_rows<T> * tile_pitch<T>];

    if (a.channels_first) {
        const int64_t tiles = parts_of(a.group_out, tile_rows);
        const int64_t first_tile = part_begin(tiles, a.channel_blocks, at.channel_block);
        const int64_t last_tile = part_begin(tiles, a.channel_blocks, at.channel_block + 1);
        for (int64_t p = first; p < last; p += tile_pitch<T>) {
            const int64_t count = min_of(tile_pitch<T>, last - p);
            for (int64_t t = first_tile; t < last_tile; ++t) {
                const int64_t channel = part_begin(a.group_out, tiles, t);
                const int64_t rows = part_begin(a.group_out, tiles, t + 1) - channel;
                clear(c, rows * tile_pitch<T>);
                gemm_pixel_lanes(c, weights + (group_channel + channel) * a.reduction, rows, k, x + p, a.in.c_stride,
                                 count);
                store_channel_rows(a.epilogue, c, tile_pitch<T>, int(rows), group_channel + channel, count, y + p,
                                   a.out.c_stride);
            }
        }
        return;
    }

    const int64_t channel = at.channel_block * a.channel_block;
    const int64_t channels = min_of(a.channel_block, a.group_out - channel);
    weights += (at.group * a.channel_blocks + at.channel_block) * a.reduction * a.channel_block;
    const int64_t tiles = parts_of(last - first, tile_rows);
    for (int64_t t = 0; t < tiles; ++t) {
        const int64_t p = first + part_begin(last - first, tiles, t);
        const int64_t count = first + part_begin(last - first, tiles, t + 1) - p;
        clear(c, count * tile_pitch<T>);
        gemm_channel_lanes(c, weights, a.channel_block, k, x + p * a.in.stride[2], a.in.stride[2], count);
        store_pixel_rows(a.epilogue, c, tile_pitch<T>, count, group_channel + channel, channels, y + p * a.out.stride[2],
                         a.out.c_stride, a.out.stride[2]);
    }
}

}  // namespace
}  // namespace fastconv
