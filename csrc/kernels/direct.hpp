// Direct convolution, straight from the input, any extent, stride, dilation, groups, either layout:
//
//     y[n, oc, o] = sum over taps t and channels c of x[n, c, o * stride + t * dilation - before] * w[oc, c, t]
//
// The value of a pixel for product k lies offset[k] behind the pixel's first tap, in either layout, so the input is
// neither packed nor padded. Products run over [kd][kw][kh][c]: at the upper and lower border a tile uses a sub-range of
// kh, which is then contiguous; at the left and right border it takes, for each kw, only the pixels for which that tap is
// inside. Skipping leaves the order of each sum as it was, so no result depends on how tiles fall.
//
// Channels in lanes: a tile is up to tile_rows neighbouring pixels of one output row times one panel of output channels.
// Pixels in lanes, for channels first and stride 1 or 2 where few channels would leave many lanes idle: a tile is some
// channels times vectors of pixels whose taps are all inside; pixels near the border are done with channels in lanes.
//
// Loops: task (image, group, panel, block of rows, block of columns) -> row -> tile -> runs of products.
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

// Calls f(products) for each run of consecutive products whose depth and height taps are inside the input.
template <class T, class F>
inline void for_each_run(const ConvArgs<T>& a, Range kd, Range kh, const F& f) {
    if (kd.count() == a.kernel[0] && kh.count() == a.kernel[1]) return f(Range{0, a.reduction});
    if (kh.count() == 0) return;
    for (int64_t d = kd.begin; d < kd.end; ++d)
        for (int64_t w = 0; w < a.kernel[2]; ++w) {
            const int64_t k = (d * a.kernel[2] + w) * a.kernel[1];
            f(Range{(k + kh.begin) * a.group_in, (k + kh.end) * a.group_in});
        }
}

// Channels in lanes: adds products k to a range of the tile's pixels. x is the first pixel's first tap.
template <class T>
inline void direct_accumulate(const ConvArgs<T>& a, T* c, bool fresh, const T* x, const T* weights, Range k, Range pixels) {
    const int64_t row = a.step[2] * a.in.stride[2];
    const ScatteredRows<T> rows{x + pixels.begin * row, row, a.offsets + k.begin};
    const Columns<T> columns{weights + k.begin * a.channel_block, a.channel_block};
    T* tile = c + pixels.begin * tile_pitch<T>;
    with_vectors<T>(a.channel_block, [&](auto v) {
        with_constant<tile_rows>(int(pixels.count()), [&](auto m) {
            multiply<T, m.value, v.value>(tile, tile_pitch<T>, fresh, rows, columns, k.count());
        });
    });
}

// One row of outputs of one panel of channels: what a task works through.
template <class T>
struct DirectRow {
    const T* x;        // the image's group, moved to the first tap of output column 0 (which may be in the padding)
    const T* weights;  // the panel
    T* y;              // the row, of channel 0
    int64_t first_channel, channels;
    Range kd, kh;
};

// Up to tile_rows pixels from column ow on, channels in lanes.
template <class T>
inline void direct_tile(const ConvArgs<T>& a, const DirectRow<T>& row, T* c, int64_t ow, int64_t pixels) {
    const int64_t left = ow * a.step[2] - a.before[2];
    const int64_t right = left + (pixels - 1) * a.step[2] + (a.kernel[2] - 1) * a.dilation[2];
    const T* x = row.x + ow * a.step[2] * a.in.stride[2];
    if (row.kd.count() == a.kernel[0] && row.kh.count() == a.kernel[1] && left >= 0 && right < a.in.size[2]) {
        direct_accumulate(a, c, true, x, row.weights, {0, a.reduction}, {0, pixels});
    } else {
        clear(c, pixels * tile_pitch<T>);
        for (int64_t d = row.kd.begin; d < row.kd.end; ++d)
            for (int64_t w = 0; w < a.kernel[2]; ++w) {
                const Range valid = inside(left + w * a.dilation[2], a.step[2], pixels, a.in.size[2]);
                const int64_t k = (d * a.kernel[2] + w) * a.kernel[1];
                if (valid.count() && row.kh.count())
                    direct_accumulate(a, c, false, x, row.weights,
                                      {(k + row.kh.begin) * a.group_in, (k + row.kh.end) * a.group_in}, valid);
            }
    }
    store_pixel_rows(a.epilogue, c, tile_pitch<T>, pixels, row.first_channel, row.channels, row.y + ow * a.out.stride[2],
                     a.out.c_stride, a.out.stride[2]);
}

template <class T>
inline void direct_columns(const ConvArgs<T>& a, const DirectRow<T>& row, T* c, Range columns) {
    const int64_t tiles = parts_of(columns.count(), tile_rows);
    for (int64_t t = 0; t < tiles; ++t) {
        const int64_t ow = columns.begin + part_begin(columns.count(), tiles, t);
        direct_tile(a, row, c, ow, columns.begin + part_begin(columns.count(), tiles, t + 1) - ow);
    }
}

// V vectors of pixels in lanes, S input columns apart, from output column ow on, all of whose taps are inside.
template <class T, int M, int V, int S>
inline void direct_vectors(const ConvArgs<T>& a, const DirectRow<T>& row, T* c, int64_t ow) {
    const int64_t tiles = parts_of(row.channels, M);
    for (int64_t t = 0; t < tiles; ++t) {
        const int64_t channel = part_begin(row.channels, tiles, t);
        const int64_t channels = part_begin(row.channels, tiles, t + 1) - channel;
        bool fresh = true;
        with_constant<M>(int(channels), [&](auto m) {
            for_each_run(a, row.kd, row.kh, [&](Range k) {
                const PanelRows<T> rows{row.weights + k.begin * a.channel_block + channel, a.channel_block};
                const ScatteredColumns<T, S> columns{row.x + ow * S, a.offsets + k.begin};
                multiply<T, m.value, V>(c, V * lanes<T>, fresh, rows, columns, k.count());
                fresh = false;
            });
        });
        if (fresh) clear(c, channels * V * lanes<T>);  // no tap is inside
        store_channel_rows(a.epilogue, c, V * lanes<T>, int(channels), row.first_channel + channel, V * lanes<T>, row.y + ow,
                           a.out.c_stride);
    }
}

// Columns whose taps are all inside, at least a vector of them. The last tile is moved back to end where they end: it
// computes some pixels again, to the same bits.
template <class T, int M, int V, int S>
inline void direct_interior(const ConvArgs<T>& a, const DirectRow<T>& row, T* c, Range columns) {
    if (columns.count() < V * lanes<T>) {
        if constexpr (V > 1) direct_interior<T, M, V / 2, S>(a, row, c, columns);
        return;
    }
    for (int64_t ow = columns.begin; ow < columns.end; ow += V * lanes<T>)
        direct_vectors<T, M, V, S>(a, row, c, min_of(ow, columns.end - V * lanes<T>));
}

// With as few channels as that a tile is four vectors wide: sums enough to hide the latency of a multiply-add.
constexpr int wide_rows = vector_registers >= 32 ? 4 : 2, wide_vectors = 4;
static_assert(wide_rows * wide_vectors + wide_vectors + 1 <= vector_registers, "the wide tile would spill");

template <class T>
void direct(const ConvArgs<T>& a, int64_t task, void*) {
    const Cell at = cell_of(a, task);
    const int64_t panel_channel = at.channel_block * a.channel_block;
    DirectRow<T> row;
    row.channels = min_of(a.channel_block, a.group_out - panel_channel);
    row.first_channel = at.group * a.group_out + panel_channel;
    row.weights = a.weights + (at.group * a.channel_blocks + at.channel_block) * a.reduction * a.channel_block;
    const T* x = a.x + at.n * a.in.n_stride + at.group * a.group_in * a.in.c_stride - a.before[2] * a.in.stride[2];

    // Columns that need no look at the left and right border.
    Range interior{0, 0};
    if (a.pixel_lanes) {
        const Range first = inside(-a.before[2], a.step[2], a.out.size[2], a.in.size[2]);
        const Range last = inside((a.kernel[2] - 1) * a.dilation[2] - a.before[2], a.step[2], a.out.size[2], a.in.size[2]);
        interior = {first.begin, max_of(last.end, first.begin)};
        if (interior.count() < lanes<T>) interior = {0, 0};
    }

    alignas(64) T c[tile_buffer_rows<T> * tile_pitch<T>];
    const int64_t row_blocks = a.pixel_blocks / a.column_blocks;
    const int64_t rows = a.out.size[0] * a.out.size[1];
    const int64_t first_row = part_begin(rows, row_blocks, at.pixel_block / a.column_blocks);
    const int64_t last_row = part_begin(rows, row_blocks, at.pixel_block / a.column_blocks + 1);
    const int64_t column_block = at.pixel_block % a.column_blocks;
    const Range columns{part_begin(a.out.size[2], a.column_blocks, column_block),
                        part_begin(a.out.size[2], a.column_blocks, column_block + 1)};
    const Range middle{max_of(columns.begin, interior.begin), min_of(columns.end, interior.end)};
    for (int64_t r = first_row; r < last_row; ++r) {
        const int64_t od = r / a.out.size[1], oh = r % a.out.size[1];
        row.kd = taps_inside(a, 0, od);
        row.kh = taps_inside(a, 1, oh);
        row.x = x + (od * a.step[0] - a.before[0]) * a.in.stride[0] + (oh * a.step[1] - a.before[1]) * a.in.stride[1];
        row.y = a.y + at.n * a.out.n_stride + od * a.out.stride[0] + oh * a.out.stride[1];
        if (middle.count() < lanes<T>) {
            direct_columns(a, row, c, columns);
            continue;
        }
        direct_columns(a, row, c, {columns.begin, middle.begin});
        with_constant<2>(int(a.step[2]), [&](auto s) {
            if (row.channels <= wide_rows)
                direct_interior<T, wide_rows, wide_vectors, s.value>(a, row, c, middle);
            else
                direct_interior<T, tile_rows, tile_vectors, s.value>(a, row, c, middle);
        });
        direct_columns(a, row, c, {middle.end, columns.end});
    }
}

}  // namespace
}  // namespace fastconv
