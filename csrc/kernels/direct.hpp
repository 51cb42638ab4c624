// Direct convolution, straight from the input, any extent, stride, dilation, groups, either layout:
//
//     y[n, oc, o] = sum over taps t and channels c of x[n, c, o * stride + t * dilation - before] * w[oc, c, t]
//
// The value of a pixel for product k lies offset[k] behind the pixel's first tap, in either layout, so the input is
// neither packed nor padded. Products run over [kd][kw][kh][c], or without padding over [kd][kh][c][kw], which is better for
// the cache. At the upper and lower border a tile uses a sub-range of kh. At the left and right border it goes through the
// kernel's columns one by one, column_step products apart, and takes only the pixels for which that tap is inside: with
// products as they run there the same order of the sum, wherever a tile lies.
//
// Channels in lanes: a tile is up to a dozen neighbouring pixels of one output row times one panel of output channels.
// Pixels in lanes, for channels first and stride 1 or 2 where channels would leave many lanes idle: a tile is some channels
// times vectors of pixels; taps outside the input are lanes that are not read and count as zeros, which adds nothing.
//
// Loops: task (group, panel, image, block of rows, block of columns) -> row -> tile -> runs of products.
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

// Channels first, the pixels of several tiles wait for one another, so that each of the many rows of y is written some whole
// cache lines at a time.
constexpr int strip_pixels = 112;
template <class T>
constexpr int strip_buffer_rows = (strip_pixels + lanes<T> - 1) / lanes<T> * lanes<T>;

// Calls f(products) for the runs of consecutive products whose depth and height taps are inside the input.
template <class T, class F>
FASTCONV_INLINE void for_each_run(const ConvArgs<T>& a, Range kd, Range kh, const F& f) {
    if (kd.count() == a.kernel[0] && kh.count() == a.kernel[1]) return f(Range{0, a.reduction});
    if (kh.count() == 0) return;
    const int64_t runs = a.column_step == 1 ? a.kernel[2] : 1, row = a.reduction / (a.kernel[0] * a.kernel[1] * runs);
    for (int64_t i = kd.begin * runs; i < kd.end * runs; ++i)
        f(Range{(i * a.kernel[1] + kh.begin) * row, (i * a.kernel[1] + kh.end) * row});
}

// Calls f(kw, first, count) for the products of each column of the kernel, column_step apart.
template <class T, class F>
FASTCONV_INLINE void for_each_column(const ConvArgs<T>& a, Range kd, Range kh, const F& f) {
    if (kh.count() == 0) return;
    for (int64_t d = kd.begin; d < kd.end; ++d)
        for (int64_t kw = 0; kw < a.kernel[2]; ++kw) {
            const int64_t before = a.column_step == 1 ? (d * a.kernel[2] + kw) * a.kernel[1] : d * a.kernel[1];
            const int64_t first = (before + kh.begin) * a.group_in * a.column_step + (a.column_step == 1 ? 0 : kw);
            f(kw, first, kh.count() * a.group_in);
        }
}

// The panel of weights after this one, which a thread mostly takes next: asked for by the last few of the tiles (or rows of
// tiles) that read this one, a share by each, so that it is there in time and other loads are not kept waiting.
template <class T>
class NextPanel {
   public:
    NextPanel(int64_t width, int64_t reduction, int64_t tile, int64_t tiles) {
        const int64_t sharing = min_of(tiles, 4), mine = tile - (tiles - sharing);
        if (mine < 0) return;
        step_ = parts_of(width, sharing);
        ahead_ = width * reduction + mine * reduction * step_;
    }
    // Every so many-th product from k on.
    PanelColumns<T> while_reading(const T* weights, int64_t width, int64_t k, int64_t every = 1) const {
        return {weights + k * width, width * every, weights + ahead_ + k * step_, step_ * every};
    }

   private:
    int64_t ahead_ = 0, step_ = 0;  // of zero: the same line again and again
};

// One row of outputs of one panel of channels: what a task works through.
template <class T>
struct DirectRow {
    const T* x;        // the image's group, moved to the first tap of output column 0 (which may be in the padding)
    const T* weights;  // the panel
    T* y;              // the row, of the panel's first channel
    Panel panel;
    const T* bias;  // of the panel's first channel, or null
    Range kd, kh;
    int64_t number, rows;  // which it is of the task's rows
};

// ---- channels in lanes ----

// M pixels from column ow on. Channels first, their sums are left in c.
template <class T, int M, int V>
inline void direct_pixels(const ConvArgs<T>& a, const DirectRow<T>& row, const NextPanel<T>& next, T* c, int64_t ow) {
    const int64_t left = ow * a.step[2] - a.before[2], pixel = a.step[2] * a.in.stride[2];
    const int64_t right = left + (M - 1) * a.step[2] + (a.kernel[2] - 1) * a.dilation[2];
    const T* x = row.x + ow * pixel;
    T* y = row.y + ow * a.out.stride[2];
    const int last = V - 1;
    const Mask<T> exists = first_lanes<T>(int(row.panel.channels - last * lanes<T>));

    Tile<T, M, V> tile;
    tile.begin_columns(row.bias, last, exists);
    if (left >= 0 && right < a.in.size[2]) {
        for_each_run(a, row.kd, row.kh, [&](Range k) {
            tile.add(ScatteredRowsBeforeNext<T>{x, pixel, a.offsets + k.begin, (2 * M - 1) * pixel},
                     next.while_reading(row.weights, row.panel.width, k.begin), k.count());
        });
        if (!a.channels_first) return finish_tile(a.epilogue, tile, y, a.out.stride[2], row.panel.channels);
        return tile.store_to(c, tile_pitch<T>);
    }
    tile.store_to(c, tile_pitch<T>);
    for_each_column(a, row.kd, row.kh, [&](int64_t kw, int64_t first, int64_t count) {
        const Range valid = inside(left + kw * a.dilation[2], a.step[2], M, a.in.size[2]);
        if (!valid.count()) return;
        const SteppedRows<T> rows{x + valid.begin * pixel, pixel, a.offsets + first, a.column_step};
        const auto columns = next.while_reading(row.weights, row.panel.width, first, a.column_step);
        T* part = c + valid.begin * tile_pitch<T>;
        with_constant<M>(int(valid.count()), [&](auto m) {
            Tile<T, m.value, V> some;
            some.load_from(part, tile_pitch<T>);
            some.add(rows, columns, count);
            some.store_to(part, tile_pitch<T>);
        });
    });
    if (!a.channels_first) finish_rows(a.epilogue, c, tile_pitch<T>, M, y, a.out.stride[2], row.panel.channels);
}

// Block `block` of the tiles of a row.
template <class T>
inline void direct_channel_lanes(const ConvArgs<T>& a, const DirectRow<T>& row, T* c, int64_t block) {
    with_vectors<T>(row.panel.width, [&](auto v) {
        constexpr int most = rows_of(v.value), strip_tiles = strip_pixels / most;
        const int64_t tiles = parts_of(a.out.size[2], most);
        const Range mine{part_begin(tiles, a.column_blocks, block), part_begin(tiles, a.column_blocks, block + 1)};
        const auto begin = [&](int64_t t) { return part_begin(a.out.size[2], tiles, t); };
        for (int64_t first = mine.begin; first < mine.end; first += strip_tiles) {
            const int64_t last = min_of(mine.end, first + strip_tiles), strip = begin(first);
            for (int64_t t = first; t < last; ++t) {
                T* sums = c + (begin(t) - strip) * tile_pitch<T>;
                const NextPanel<T> next(row.panel.width, a.reduction, row.number * mine.count() + t - mine.begin,
                                        row.rows * mine.count());
                with_constant<most>(int(begin(t + 1) - begin(t)),
                                    [&](auto m) { direct_pixels<T, m.value, v.value>(a, row, next, sums, begin(t)); });
            }
            if (a.channels_first)
                finish_transposed(a.epilogue, c, tile_pitch<T>, begin(last) - strip, row.panel.channels, row.y + strip,
                                  a.out.c_stride);
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
    const T* x = row.x + ow * S;
    const T* weights = row.weights + channel;
    const int64_t width = row.panel.width;
    const auto masked = [&](int64_t first, int64_t step, Range valid) {
        MaskedColumns<T, S, V> columns{x, a.offsets + first, step, {}};
        for (int v = 0; v < V; ++v) columns.inside[v] = StepMask<T, S>(int(valid.begin) - v * L, int(valid.end) - v * L);
        return columns;
    };
    Tile<T, M, V> tile;
    tile.begin_rows(row.bias ? row.bias + channel : nullptr);
    if (left >= 0 && right < a.in.size[2])
        for_each_run(a, row.kd, row.kh, [&](Range k) {
            const PanelRows<T> rows{weights + k.begin * width, width};
            if (pixels == V * L)
                tile.add(rows, ScatteredColumns<T, S>{x, a.offsets + k.begin}, k.count());
            else
                tile.add(rows, masked(k.begin, 1, {0, pixels}), k.count());
        });
    else
        for_each_column(a, row.kd, row.kh, [&](int64_t kw, int64_t first, int64_t count) {
            const Range valid = inside(left + kw * a.dilation[2], S, pixels, a.in.size[2]);
            tile.add(PanelRows<T>{weights + first * width, width * a.column_step}, masked(first, a.column_step, valid),
                     count);
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

// Block `block` of the tiles of a row: wide tiles or tiles of the usual width, then what is left of the row in one tile.
template <class T, int S>
inline void direct_pixel_lanes(const ConvArgs<T>& a, const DirectRow<T>& row, int64_t block) {
    constexpr int L = lanes<T>;
    const bool wide = row.panel.channels <= rows_of(wide_vectors);
    const int64_t vectors = parts_of(a.out.size[2], L), step = wide ? wide_vectors : tile_vectors;
    const int64_t tiles = max_of(wide ? parts_of(vectors, step) : vectors / step, 1);
    const Range mine{part_begin(tiles, a.column_blocks, block), part_begin(tiles, a.column_blocks, block + 1)};
    if (!mine.count()) return;
    const auto do_columns = [&](auto v, int64_t begin, int64_t end) {
        if (begin < end) direct_columns<T, v.value, S>(a, row, {begin * L, min_of(end * L, a.out.size[2])});
    };
    const bool ends = mine.end == tiles;
    const int64_t last = mine.end - ends;
    if (wide)
        do_columns(Constant<wide_vectors>{}, mine.begin * step, last * step);
    else
        do_columns(Constant<tile_vectors>{}, mine.begin * step, last * step);
    if (ends) with_constant<wide_vectors>(int(vectors - last * step), [&](auto v) { do_columns(v, last * step, vectors); });
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

    alignas(64) T c[strip_buffer_rows<T> * tile_pitch<T>];
    const int64_t row_blocks = a.pixel_blocks / a.column_blocks;
    const int64_t rows = a.out.size[0] * a.out.size[1];
    const int64_t first_row = part_begin(rows, row_blocks, at.pixel_block / a.column_blocks);
    const int64_t last_row = part_begin(rows, row_blocks, at.pixel_block / a.column_blocks + 1);
    const int64_t column_block = at.pixel_block % a.column_blocks;
    row.rows = last_row - first_row;
    for (int64_t r = first_row; r < last_row; ++r) {
        const int64_t od = r / a.out.size[1], oh = r % a.out.size[1];
        row.kd = taps_inside(a, 0, od);
        row.kh = taps_inside(a, 1, oh);
        row.x = x + (od * a.step[0] - a.before[0]) * a.in.stride[0] + (oh * a.step[1] - a.before[1]) * a.in.stride[1];
        row.y = y + od * a.out.stride[0] + oh * a.out.stride[1];
        row.number = r - first_row;
        if (a.pixel_lanes)
            with_constant<2>(int(a.step[2]), [&](auto s) { direct_pixel_lanes<T, s.value>(a, row, column_block); });
        else
            direct_channel_lanes(a, row, c, column_block);
    }
}

}  // namespace
}  // namespace fastconv
