// Direct convolution, straight from the input, any extent, stride, dilation, groups, either layout:
//
//     y[n, oc, o] = sum over taps t and channels c of x[n, c, o * stride + t * dilation - before] * w[oc, c, t]
//
// Channels in lanes: a tile is up to tile_rows neighbouring pixels of one output row times one panel of output channels.
// The value of pixel m for product k lies at pixel(m) + offset[k], in either layout, so the input is neither packed nor
// padded. Products run over [kd][kw][kh][c]: a tile at the upper or lower border uses a sub-range of kh, which is then
// contiguous; a tile at the left or right border takes, for each kw, only the pixels for which that tap is inside.
// Skipping leaves the order of each sum as it was, so no result depends on how tiles fall.
//
// Loops: task (image, group, panel, tiles) -> tile -> runs of products.
// Packed weights: [group][panel][kd][kw][kh][c][channel_block], zeros behind the last channel. offsets: [kd][kw][kh][c].
#pragma once

#include "epilogue.hpp"
#include "grid.hpp"
#include "tile.hpp"

namespace fastconv {
namespace {

template <class T>
constexpr int tile_pitch = tile_vectors * lanes<T>;
// Stores transpose whole blocks of lanes x lanes, so a tile's buffer has a multiple of lanes rows.
template <class T>
constexpr int tile_buffer_rows = (tile_rows + lanes<T> - 1) / lanes<T> * lanes<T>;

template <class T>
inline void direct_accumulate(const ConvArgs<T>& a, T* c, const T* x, const T* weights, Range k, Range pixels) {
    const int64_t row = a.step[2] * a.in.stride[2];
    const ScatteredRows<T> rows{x + pixels.begin * row, row, a.offsets + k.begin};
    const Columns<T> columns{weights + k.begin * a.channel_block, a.channel_block};
    with_vectors<T>(a.channel_block, [&](auto v) {
        with_constant<tile_rows>(int(pixels.count()), [&](auto m) {
            multiply<T, m.value, v.value>(c + pixels.begin * tile_pitch<T>, tile_pitch<T>, rows, columns, k.count());
        });
    });
}

// The sums of `pixels` neighbouring outputs at (od, oh, ow); x is the image's group, weights the panel.
template <class T>
inline void direct_tile(const ConvArgs<T>& a, T* c, const T* x, const T* weights, int64_t od, int64_t oh, int64_t ow,
                        int64_t pixels) {
    const Range kd = taps_inside(a, 0, od), kh = taps_inside(a, 1, oh);
    const int64_t left = ow * a.step[2] - a.before[2];
    const T* origin = x + (od * a.step[0] - a.before[0]) * a.in.stride[0] +
                      (oh * a.step[1] - a.before[1]) * a.in.stride[1] + left * a.in.stride[2];

    const int64_t right = left + (pixels - 1) * a.step[2] + (a.kernel[2] - 1) * a.dilation[2];
    if (kd.count() == a.kernel[0] && kh.count() == a.kernel[1] && left >= 0 && right < a.in.size[2])
        return direct_accumulate(a, c, origin, weights, {0, a.reduction}, {0, pixels});

    for (int64_t d = kd.begin; d < kd.end; ++d)
        for (int64_t w = 0; w < a.kernel[2]; ++w) {
            const Range valid = inside(left + w * a.dilation[2], a.step[2], pixels, a.in.size[2]);
            const int64_t k = (d * a.kernel[2] + w) * a.kernel[1];
            if (valid.count() && kh.count())
                direct_accumulate(a, c, origin, weights, {(k + kh.begin) * a.group_in, (k + kh.end) * a.group_in}, valid);
        }
}

template <class T>
void direct(const ConvArgs<T>& a, int64_t task, void*) {
    const Cell at = cell_of(a, task);
    const int64_t first_channel = at.channel_block * a.channel_block;
    const int64_t channels = min_of(a.channel_block, a.group_out - first_channel);
    const T* x = a.x + at.n * a.in.n_stride + at.group * a.group_in * a.in.c_stride;
    const T* weights = a.weights + (at.group * a.channel_blocks + at.channel_block) * a.reduction * a.channel_block;
    T* y = a.y + at.n * a.out.n_stride;

    const int64_t row_tiles = parts_of(a.out.size[2], tile_rows);
    const int64_t tiles = a.out.size[0] * a.out.size[1] * row_tiles;
    const int64_t end = min_of(tiles, (at.pixel_block + 1) * a.pixel_block);
    alignas(64) T c[tile_buffer_rows<T> * tile_pitch<T>];
    for (int64_t tile = at.pixel_block * a.pixel_block; tile < end; ++tile) {
        const int64_t row = tile / row_tiles, od = row / a.out.size[1], oh = row % a.out.size[1];
        const int64_t ow = part_begin(a.out.size[2], row_tiles, tile % row_tiles);
        const int64_t pixels = part_begin(a.out.size[2], row_tiles, tile % row_tiles + 1) - ow;
        clear(c, pixels * tile_pitch<T>);
        direct_tile(a, c, x, weights, od, oh, ow, pixels);
        store_pixel_rows(a.epilogue, c, tile_pitch<T>, pixels, at.group * a.group_out + first_channel, channels,
                         y + od * a.out.stride[0] + oh * a.out.stride[1] + ow * a.out.stride[2], a.out.c_stride,
                         a.out.stride[2]);
    }
}

}  // namespace
}  // namespace fastconv
