// Direct convolution, straight from the input, any extent, stride, dilation, groups, either layout:
//
//     y[n, oc, o] = sum over taps t and channels c of x[n, c, o * stride + t * dilation - before] * w[oc, c, t]
//
// The value of a pixel for product k lies offset[k] behind the pixel's first tap, in either layout, so the input is
// neither packed nor padded. Without padding, products run through the input as it lies in memory. With it they run over
// [kd][kw][kh][c]: at the upper and lower border a tile uses a sub-range of kh, which is then contiguous; at the left and
// right border it takes, for each kw, only the pixels for which that tap is inside. Skipping leaves the order of each sum as
// it was, so no result depends on how tiles fall.
//
// Channels in lanes: a tile is up to a dozen neighbouring pixels of one output row times one panel of output channels.
// Pixels in lanes, for channels first and stride 1 or 2 where channels would leave many lanes idle: a tile is some channels
// times vectors of pixels; taps outside the input are lanes that are not read and count as zeros, which adds nothing.
//
// Loops: task (image, group, panel, block of rows, block of columns) -> row -> tile -> runs of products.
// Packed weights: [group][panel][product][panel width], zeros behind the last channel.
#pragma once

#include "epilogue.hpp"
#include "grid.hpp"
#include "tile.hpp"

namespace fastconv {
namespace {

// Stores transpose whole blocks of lanes x lanes, so a tile's buffer has a multiple of lanes rows.
template <class T>
constexpr int tile_buffer_rows = (most_rows + lanes<T> - 1) / lanes<T> * lanes<T>;

// Calls f(kw, products) for the runs of consecutive products whose depth and height taps are inside the input, one for each
// depth and column of the kernel. For problems with padding, whose products are in that order.
template <class T, class F>
FASTCONV_INLINE void for_each_run(const ConvArgs<T>& a, Range kd, Range kh, const F& f) {
    if (kh.count() == 0) return;
    for (int64_t d = kd.begin; d < kd.end; ++d)
        for (int64_t w = 0; w < a.kernel[2]; ++w) {
            const int64_t k = (d * a.kernel[2] + w) * a.kernel[1];
            f(w, Range{(k + kh.begin) * a.group_in, (k + kh.end) * a.group_in});
        }
}

// One row of outputs of one panel of channels: what a task works through.
template <class T>
struct DirectRow {
    const T* x;        // the image's group, moved to the first tap of output column 0 (which may be in the padding)
    const T* weights;  // the panel
    T* y;              // the row, of the panel's first channel
    Panel panel;
    const T* bias;  // of the panel's first channel, or null
    Range kd, kh;

    bool whole(const ConvArgs<T>& a) const { return kd.count() == a.kernel[0] && kh.count() == a.kernel[1]; }
};

// ---- channels in lanes ----

// M pixels from column ow on.
template <class T, int M, int V>
inline void direct_pixels(const ConvArgs<T>& a, const DirectRow<T>& row, T* c, int64_t ow) {
    const int64_t left = ow * a.step[2] - a.before[2], pixel = a.step[2] * a.in.stride[2];
    const int64_t right = left + (M - 1) * a.step[2] + (a.kernel[2] - 1) * a.dilation[2];
    const T* x = row.x + ow * pixel;
    T* y = row.y + ow * a.out.stride[2];
    const int last = V - 1;
    const Mask<T> exists = first_lanes<T>(int(row.panel.channels - last * lanes<T>));

    Tile<T, M, V> tile;
    tile.begin_columns(row.bias, last, exists);
    if (row.whole(a) && left >= 0 && right < a.in.size[2]) {
        tile.add(ScatteredRows<T>{x, pixel, a.offsets}, Columns<T>{row.weights, row.panel.width}, a.reduction);
        if (a.out.c_stride == 1) return finish_tile(a.epilogue, tile, y, a.out.stride[2], row.panel.channels);
        tile.store_to(c, tile_pitch<T>);
    } else {
        tile.store_to(c, tile_pitch<T>);
        for_each_run(a, row.kd, row.kh, [&](int64_t kw, Range k) {
            const Range valid = inside(left + kw * a.dilation[2], a.step[2], M, a.in.size[2]);
            if (!valid.count()) return;
            const ScatteredRows<T> rows{x + valid.begin * pixel, pixel, a.offsets + k.begin};
            const Columns<T> columns{row.weights + k.begin * row.panel.width, row.panel.width};
            T* part = c + valid.begin * tile_pitch<T>;
            with_constant<M>(int(valid.count()), [&](auto m) {
                Tile<T, m.value, V> some;
                some.load_from(part, tile_pitch<T>);
                some.add(rows, columns, k.count());
                some.store_to(part, tile_pitch<T>);
            });
        });
    }
    finish_pixels(a.epilogue, c, tile_pitch<T>, M, row.panel.channels, y, a.out.c_stride, a.out.stride[2]);
}

template <class T>
inline void direct_channel_lanes(const ConvArgs<T>& a, const DirectRow<T>& row, T* c, Range columns) {
    with_vectors<T>(row.panel.width, [&](auto v) {
        constexpr int most = rows_of(v.value);
        const int64_t tiles = parts_of(columns.count(), most);
        for (int64_t t = 0; t < tiles; ++t) {
            const int64_t ow = columns.begin + part_begin(columns.count(), tiles, t);
            const int64_t pixels = columns.begin + part_begin(columns.count(), tiles, t + 1) - ow;
            with_constant<most>(int(pixels), [&](auto m) { direct_pixels<T, m.value, v.value>(a, row, c, ow); });
        }
    });
}

// ---- pixels in lanes ----

// M channels of the panel from `channel` on times V vectors of pixels, the last perhaps partial, from column ow on; S input
// columns lie between neighbours.
template <class T, int M, int V, int S>
inline void direct_vectors(const ConvArgs<T>& a, const DirectRow<T>& row, int64_t channel, int64_t ow, int64_t pixels) {
    constexpr int L = lanes<T>;
    const int64_t left = ow * S - a.before[2], right = left + (pixels - 1) * S + (a.kernel[2] - 1) * a.dilation[2];
    const bool whole = row.whole(a) && left >= 0 && right < a.in.size[2];
    const T* x = row.x + ow * S;
    const PanelRows<T> rows{row.weights + channel, row.panel.width};
    const auto masked = [&](Range k, Range valid) {
        MaskedColumns<T, S, V> columns{x, a.offsets + k.begin, {}};
        for (int v = 0; v < V; ++v)
            columns.inside[v] = StepMask<T, S>(int(valid.begin) - v * L, int(valid.end) - v * L);
        return columns;
    };
    Tile<T, M, V> tile;
    tile.begin_rows(row.bias ? row.bias + channel : nullptr);
    if (whole && pixels == V * L)
        tile.add(rows, ScatteredColumns<T, S>{x, a.offsets}, a.reduction);
    else if (whole)
        tile.add(rows, masked({0, a.reduction}, {0, pixels}), a.reduction);
    else
        for_each_run(a, row.kd, row.kh, [&](int64_t kw, Range k) {
            const Range valid = inside(left + kw * a.dilation[2], S, pixels, a.in.size[2]);
            tile.add(PanelRows<T>{rows.base + k.begin * row.panel.width, row.panel.width}, masked(k, valid), k.count());
        });
    finish_tile(a.epilogue, tile, row.y + channel * a.out.c_stride + ow, a.out.c_stride, pixels);
}

// Channels are the outer loop: outputs are written along their rows, and the input of a row waits in the cache.
template <class T, int V, int S>
inline void direct_columns(const ConvArgs<T>& a, const DirectRow<T>& row, Range columns) {
    constexpr int most = rows_of(V);
    const int64_t tiles = parts_of(row.panel.channels, most), wide = V * lanes<T>;
    for (int64_t t = 0; t < tiles; ++t) {
        const int64_t channel = part_begin(row.panel.channels, tiles, t);
        with_constant<most>(int(part_begin(row.panel.channels, tiles, t + 1) - channel), [&](auto m) {
            for (int64_t ow = columns.begin; ow < columns.end; ow += wide)
                direct_vectors<T, m.value, V, S>(a, row, channel, ow, min_of(wide, columns.end - ow));
        });
    }
}

// With as few channels as that a tile is four vectors wide: sums enough to hide the latency of a multiply-add.
constexpr int wide_vectors = 4;

template <class T, int S>
inline void direct_pixel_lanes(const ConvArgs<T>& a, const DirectRow<T>& row, Range columns) {
    constexpr int L = lanes<T>;
    const auto do_columns = [&](auto v, Range some) {
        if (some.count()) direct_columns<T, v.value, S>(a, row, some);
    };
    // Wide tiles or tiles of the usual width, then what is left of the row in one tile.
    const bool wide = row.panel.channels <= rows_of(wide_vectors);
    const int64_t step = (wide ? wide_vectors : tile_vectors) * L;
    int64_t last = columns.begin + columns.count() / step * step;
    if (!wide && last > columns.begin && columns.end - last <= (last_vectors - tile_vectors) * L && columns.end > last) last -= step;
    if (wide)
        do_columns(Constant<wide_vectors>{}, {columns.begin, last});
    else
        do_columns(Constant<tile_vectors>{}, {columns.begin, last});
    if (last < columns.end)
        with_constant<wide_vectors>(int(parts_of(columns.end - last, L)), [&](auto v) { do_columns(v, {last, columns.end}); });
}

template <class T>
void direct(const ConvArgs<T>& a, int64_t task, void*) {
    const Cell at = cell_of(a, task);
    DirectRow<T> row;
    row.panel = panel_of(a, at.group, at.channel_block);
    row.weights = a.weights + (row.panel.weights - a.weights_first) * a.reduction;
    const int64_t channel = at.group * a.group_out + row.panel.channel;
    row.bias = bias_of(a.epilogue, channel);
    const T* x = a.x + at.n * a.in.n_stride + at.group * a.group_in * a.in.c_stride - a.before[2] * a.in.stride[2];
    T* y = a.y + at.n * a.out.n_stride + channel * a.out.c_stride;

    alignas(64) T c[tile_buffer_rows<T> * tile_pitch<T>];
    const int64_t row_blocks = a.pixel_blocks / a.column_blocks;
    const int64_t rows = a.out.size[0] * a.out.size[1];
    const int64_t first_row = part_begin(rows, row_blocks, at.pixel_block / a.column_blocks);
    const int64_t last_row = part_begin(rows, row_blocks, at.pixel_block / a.column_blocks + 1);
    const int64_t column_block = at.pixel_block % a.column_blocks;
    const Range columns{part_begin(a.out.size[2], a.column_blocks, column_block),
                        part_begin(a.out.size[2], a.column_blocks, column_block + 1)};
    for (int64_t r = first_row; r < last_row; ++r) {
        const int64_t od = r / a.out.size[1], oh = r % a.out.size[1];
        row.kd = taps_inside(a, 0, od);
        row.kh = taps_inside(a, 1, oh);
        row.x = x + (od * a.step[0] - a.before[0]) * a.in.stride[0] + (oh * a.step[1] - a.before[1]) * a.in.stride[1];
        row.y = y + od * a.out.stride[0] + oh * a.out.stride[1];
        if (a.pixel_lanes)
            with_constant<2>(int(a.step[2]), [&](auto s) { direct_pixel_lanes<T, s.value>(a, row, columns); });
        else
            direct_channel_lanes(a, row, c, columns);
    }
}

}  // namespace
}  // namespace fastconv
