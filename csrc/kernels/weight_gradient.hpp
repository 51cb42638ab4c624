// The gradient of a convolution with respect to its weights: a matrix product over pixels.
//
//     dw[o, c, k] = sum over n and pixels p of  dy[n, o, p] * x[n, c, p * step + k * dilation - before]
//
// Output channels are in lanes; rows of a tile are input channels under one tap, whose values broadcast. So both factors
// want channels to follow each other: a block of rows of dy, and the box of x that they see, are copied so (transposed
// where channels come first), into the second-level cache. Of these, a few rows at a time serve all taps while they are in
// the first-level cache. Sums wait in a buffer meanwhile.
//
// A channel of a depthwise convolution meets itself alone: there channels are in lanes of both factors, and the columns of
// the kernel side by side.
//
// With few input channels, the columns of the kernel join them as rows of a tile: side by side in a copy of x that is
// padded with zeros. An infinite or NaN element of dy then meets zeros that the definition does not have, and in a depthwise
// convolution too; the plan takes the other way if the result has a NaN.
//
// Loops: task (group, block of output channels, of input channels, part of the output's rows) -> block of rows -> some of
// them -> panel of output channels -> tap -> tile of input channels -> row -> pixel.
//
// Sums of a block of channels: [part][panel][row of the kernel][column of the kernel][input channel][output channel].
#pragma once

#include "copy.hpp"
#include "epilogue.hpp"
#include "grid.hpp"

namespace fastconv {
namespace {

template <class T>
struct WeightGradientCell {
    int64_t group;
    Range out, in;  // channels
    int64_t part;

    WeightGradientCell(const WeightGradientArgs<T>& a, int64_t task) {
        part = task % a.parts, task /= a.parts;
        const int64_t in_block = task % a.in_blocks;
        task /= a.in_blocks;
        in = {part_begin(a.group_in, a.in_blocks, in_block), part_begin(a.group_in, a.in_blocks, in_block + 1)};
        out = block_of(a.group_out, tile_vectors * lanes<T>, a.out_blocks, task % a.out_blocks);
        if (a.depthwise) in = out;
        group = task / a.out_blocks;
    }
    int64_t panels() const { return max_of(parts_of(out.count(), lanes<T>) / tile_vectors, 1); }
    // Vectors of panel i: two, the last what is left.
    int64_t vectors(int64_t i) const {
        return i + 1 < panels() ? tile_vectors : parts_of(out.count(), lanes<T>) - i * tile_vectors;
    }
    int64_t width() const { return parts_of(out.count(), lanes<T>) * lanes<T>; }
    Range panel(int64_t i) const { return {i * tile_vectors * lanes<T>, (i * tile_vectors + vectors(i)) * lanes<T>}; }
};

// Copies `pixels` that follow each other to [pixel][pitch]: channels [0, channels), then zeros up to whole vectors if
// `padded`.
template <class T, bool padded>
inline void copy_pixels(const T* from, int64_t c_stride, int64_t pixel_stride, int64_t channels, int64_t pixels, T* to,
                        int64_t pitch) {
    constexpr int L = lanes<T>;
    for (int64_t c = 0; c < channels; c += L) {
        const int width = int(min_of(channels - c, L));
        const Mask<T> loaded = first_lanes<T>(width), stored = first_lanes<T>(padded ? L : width);
        if (c_stride == 1) {
            for (int64_t p = 0; p < pixels; ++p)
                store_masked(to + p * pitch + c, load_masked(from + p * pixel_stride + c, loaded), stored);
            continue;
        }
        for (int64_t p = 0; p < pixels; p += L) {
            const int count = int(min_of(pixels - p, L));
            const Mask<T> exists = first_lanes<T>(count);
            Vec<T> block[L];
#pragma GCC unroll 16
            for (int i = 0; i < L; ++i) block[i] = i < width ? load_masked(from + (c + i) * c_stride + p, exists) : Vec<T>{};
            transpose<T>(block);
#pragma GCC unroll 16
            for (int i = 0; i < L; ++i)
                if (i < count) store_masked(to + (p + i) * pitch + c, block[i], stored);
        }
    }
}

// Rows of the output in one slice of one image, a range of their columns, and copies of what they see.
template <class T>
struct Slab {
    int64_t n, od;
    Range rows, columns;
    int64_t before;           // rows of the block that lie in other slabs before
    Range x_rows, x_columns;  // of the input, in the copy
    T* x;                     // [slice of the kernel][row][column][input channel], depthwise up to whole vectors
    T* dy;                    // [panel][row][column][output channel]

    Slab(const WeightGradientArgs<T>& a, int64_t n, int64_t od, Range rows, Range columns, int64_t before)
        : n(n), od(od), rows(rows), columns(columns), before(before) {
        const auto seen = [&](int axis, Range outputs) {
            return Range{outputs.begin * a.step[axis] - a.before[axis],
                         (outputs.end - 1) * a.step[axis] + (a.kernel[axis] - 1) * a.dilation[axis] + 1 - a.before[axis]};
        };
        const auto inside_image = [&](int axis, Range r) {
            const int64_t begin = min_of(max_of(r.begin, 0), a.in.size[axis]);
            return Range{begin, max_of(begin, min_of(r.end, a.in.size[axis]))};
        };
        x_rows = inside_image(1, seen(1, rows));
        x_columns = seen(2, columns);
        if (!a.joined_columns) x_columns = inside_image(2, x_columns);
    }
    static int64_t x_pitch(const WeightGradientArgs<T>& a, const WeightGradientCell<T>& at) {
        return a.depthwise ? at.width() : at.in.count();
    }
    int64_t x_size(const WeightGradientArgs<T>& a, const WeightGradientCell<T>& at) const {
        return a.kernel[0] * x_rows.count() * x_columns.count() * x_pitch(a, at);
    }
    int64_t dy_size(int64_t width) const { return rows.count() * columns.count() * width; }

    void copy(const WeightGradientArgs<T>& a, const WeightGradientCell<T>& at) const {
        const int64_t channels = at.in.count(), pitch = x_pitch(a, at);
        const T* from = a.dy + n * a.out.n_stride + (at.group * a.group_out + at.out.begin) * a.out.c_stride +
                        od * a.out.stride[0] + columns.begin * a.out.stride[2];
        const auto copy_rows = [](Range rows, Range columns, int64_t whole, const auto& copy_run_of) {
            // Whole rows follow each other.
            if (columns.count() == whole) return copy_run_of(rows.begin, 0, rows.count() * columns.count());
            for (int64_t h = rows.begin; h < rows.end; ++h)
                copy_run_of(h, (h - rows.begin) * columns.count(), columns.count());
        };
        for (int64_t i = 0; i < at.panels(); ++i) {
            const Range panel = at.panel(i);
            T* to = dy + rows.count() * columns.count() * panel.begin;
            const T* panel_from = from + panel.begin * a.out.c_stride;
            const int64_t existing = min_of(panel.end, at.out.count()) - panel.begin;
            copy_rows(rows, columns, a.out.size[2], [&](int64_t h, int64_t pixel, int64_t count) {
                copy_pixels<T, true>(panel_from + h * a.out.stride[1], a.out.c_stride, a.out.stride[2], existing, count,
                                     to + pixel * panel.count(), panel.count());
            });
        }
        const int64_t left = max_of(-x_columns.begin, 0);
        const Range existing{x_columns.begin + left, max_of(x_columns.begin + left, min_of(x_columns.end, a.in.size[2]))};
        from = a.x + n * a.in.n_stride + (at.group * a.group_in + at.in.begin) * a.in.c_stride +
               existing.begin * a.in.stride[2];
        for (int64_t kd = 0; kd < a.kernel[0]; ++kd) {
            const int64_t id = od * a.step[0] + kd * a.dilation[0] - a.before[0];
            if (id < 0 || id >= a.in.size[0]) continue;
            T* slice = x + kd * x_rows.count() * x_columns.count() * pitch;
            if (existing.count() < x_columns.count()) zero_run(slice, x_rows.count() * x_columns.count() * pitch);
            const bool whole = existing.count() == a.in.size[2] && existing.count() == x_columns.count();
            copy_rows(x_rows, x_columns, whole ? a.in.size[2] : -1, [&](int64_t h, int64_t pixel, int64_t count) {
                const auto copy = a.depthwise ? copy_pixels<T, true> : copy_pixels<T, false>;
                copy(from + id * a.in.stride[0] + h * a.in.stride[1], a.in.c_stride, a.in.stride[2], channels,
                     whole ? count : existing.count(), slice + (pixel + left) * pitch, pitch);
            });
        }
    }
};

// Adds the products of some rows of a block, those `rows` of all slabs together, to M rows of a tile (input channels under
// column kw, or several columns from kw's first on) times V vectors of a panel of output channels. `c` is where the sums
// wait.
template <class T, int M, int V>
inline void weight_gradient_tile(const WeightGradientArgs<T>& a, const Slab<T>* slabs, int64_t count, Range rows, T* c,
                                 int64_t kernel_row, int64_t kw, int64_t row, int64_t channels, int64_t panel, bool first) {
    constexpr int64_t width = V * lanes<T>;
    const int64_t kd = kernel_row / a.kernel[1], kh = kernel_row % a.kernel[1];
    Tile<T, M, V> tile;
    if (first)
        tile.begin(Vec<T>{});
    else
        tile.load_from(c, width);
    for (const Slab<T>* s = slabs; s < slabs + count; ++s) {
        const Range mine{max_of(s->rows.begin, s->rows.begin + rows.begin - s->before),
                         min_of(s->rows.end, s->rows.begin + rows.end - s->before)};
        const int64_t id = s->od * a.step[0] + kd * a.dilation[0] - a.before[0];
        if (id < 0 || id >= a.in.size[0]) continue;
        Range valid{0, s->columns.count()};
        const int64_t left = s->columns.begin * a.step[2] + kw * a.dilation[2] - a.before[2];
        if (!a.joined_columns) valid = inside(left, a.step[2], valid.end, a.in.size[2]);
        if (!valid.count()) continue;
        const int64_t x_row = s->x_columns.count() * channels, dy_row = s->columns.count() * width;
        const T* x =
            s->x + kd * s->x_rows.count() * x_row + (left + valid.begin * a.step[2] - s->x_columns.begin) * channels + row;
        const T* dy = s->dy + s->rows.count() * s->columns.count() * panel + valid.begin * width;
        for (int64_t oh = mine.begin; oh < mine.end; ++oh) {
            const int64_t ih = oh * a.step[1] + kh * a.dilation[1] - a.before[1];
            if (ih < 0 || ih >= a.in.size[1]) continue;
            tile.add(PanelRows<T>{x + (ih - s->x_rows.begin) * x_row, a.step[2] * channels},
                     Columns<T>{dy + (oh - s->rows.begin) * dy_row, width}, valid.count());
        }
    }
    tile.store_to(c, width);
}

// Adds the products of some rows of a block, whose slabs are copied.
template <class T>
inline void weight_gradient_rows(const WeightGradientArgs<T>& a, const WeightGradientCell<T>& at, const Slab<T>* slabs,
                                 int64_t count, Range block, T* sums, bool first) {
    const int64_t channels = at.in.count(), kernel_rows = a.kernel[0] * a.kernel[1];
    // Rows that tiles are cut from: the channels under one column of the kernel, or under all of them.
    const int64_t columns = a.joined_columns ? 1 : a.kernel[2];
    const int64_t rows = a.joined_columns ? a.kernel[2] * channels : channels;
    for (int64_t panel = 0; panel < at.panels(); ++panel) {
        const int64_t out = at.panel(panel).begin;
        T* panel_sums = sums + out * kernel_rows * a.kernel[2] * channels;
        with_constant<last_vectors>(int(at.vectors(panel)), [&](auto v) {
            constexpr int most = rows_of(v.value);
            const int64_t tiles = parts_of(rows, most);
            for (int64_t k = 0; k < kernel_rows; ++k)
                for (int64_t kw = 0; kw < columns; ++kw)
                    for (int64_t t = 0; t < tiles; ++t) {
                        const int64_t row = part_begin(rows, tiles, t);
                        T* c = panel_sums + ((k * a.kernel[2] + kw) * channels + row) * v.value * lanes<T>;
                        with_constant<most>(int(part_begin(rows, tiles, t + 1) - row), [&](auto m) {
                            weight_gradient_tile<T, m.value, v.value>(a, slabs, count, block, c, k, kw, row, channels, out,
                                                                      first);
                        });
                    }
        });
    }
}

// K columns of the kernel from kw on, of one vector of channels, which are `pitch` apart from pixel to pixel: adds the
// products of all slabs, even and odd pixels in sums of their own so that they need not wait for each other.
template <class T, int K>
inline void weight_gradient_columns(const WeightGradientArgs<T>& a, const Slab<T>* slabs, int64_t count, int64_t channel,
                                    int64_t pitch, int64_t kernel_row, int64_t kw, T* c, bool first) {
    const int64_t kd = kernel_row / a.kernel[1], kh = kernel_row % a.kernel[1];
    Vec<T> sum[2][K];
#pragma GCC unroll 8
    for (int j = 0; j < K; ++j) {
        sum[0][j] = first ? Vec<T>{} : load(c + j * pitch);
        sum[1][j] = Vec<T>{};
    }
    const int64_t step = a.step[2] * pitch, column = a.dilation[2] * pitch;
    for (const Slab<T>* s = slabs; s < slabs + count; ++s) {
        const int64_t id = s->od * a.step[0] + kd * a.dilation[0] - a.before[0];
        if (id < 0 || id >= a.in.size[0]) continue;
        for (int64_t oh = s->rows.begin; oh < s->rows.end; ++oh) {
            const int64_t ih = oh * a.step[1] + kh * a.dilation[1] - a.before[1];
            if (ih < 0 || ih >= a.in.size[1]) continue;
            const T* x = s->x + ((kd * s->x_rows.count() + ih - s->x_rows.begin) * s->x_columns.count()) * pitch +
                         kw * column + channel;
            const T* dy = s->dy + (oh - s->rows.begin) * s->columns.count() * pitch + channel;
            const auto add = [&](Vec<T>* sums, int64_t p) __attribute__((always_inline)) {
                const Vec<T> d = load(dy + p * pitch);
#pragma GCC unroll 8
                for (int j = 0; j < K; ++j) sums[j] = multiply_add<T>(d, load(x + p * step + j * column), sums[j]);
            };
            const int64_t pixels = s->columns.count();
            int64_t p = 0;
            for (; p + 2 <= pixels; p += 2) add(sum[0], p), add(sum[1], p + 1);
            if (p < pixels) add(sum[0], p);
        }
    }
#pragma GCC unroll 8
    for (int j = 0; j < K; ++j) store(c + j * pitch, sum[0][j] + sum[1][j]);
}

// Adds the products of a block of rows of a depthwise convolution, whose slabs are copied.
template <class T>
inline void weight_gradient_depthwise(const WeightGradientArgs<T>& a, const WeightGradientCell<T>& at, const Slab<T>* slabs,
                                      int64_t count, T* sums, bool first) {
    constexpr int most = 6;
    const int64_t pitch = at.width();
    for (int64_t channel = 0; channel < pitch; channel += lanes<T>)
        for (int64_t k = 0; k < a.kernel[0] * a.kernel[1]; ++k)
            for (int64_t kw = 0; kw < a.kernel[2]; kw += most)
                with_constant<most>(int(min_of(most, a.kernel[2] - kw)), [&](auto columns) {
                    weight_gradient_columns<T, columns.value>(a, slabs, count, channel, pitch, k, kw,
                                                              sums + (k * a.kernel[2] + kw) * pitch + channel, first);
                });
}

// Calls f(slab) for the rows first..last of the output, all images and slices one after another.
template <class T, class F>
inline void for_each_slab(const WeightGradientArgs<T>& a, Range rows, Range columns, const F& f) {
    for (int64_t r = rows.begin; r < rows.end;) {
        const int64_t oh = r % a.out.size[1], slice = r / a.out.size[1];
        const int64_t count = min_of(rows.end - r, a.out.size[1] - oh);
        f(Slab<T>(a, slice / a.out.size[0], slice % a.out.size[0], {oh, oh + count}, columns, r - rows.begin));
        r += count;
    }
}

// The sums of one task.
template <class T>
void weight_gradient(const WeightGradientArgs<T>& a, int64_t task, T* sums, void* workspace) {
    const WeightGradientCell<T> at(a, task);
    const int64_t all_rows = a.batch * a.out.size[0] * a.out.size[1];
    const auto mine = [](int64_t total, int64_t parts, int64_t i) {
        return Range{part_begin(total, parts, i), part_begin(total, parts, i + 1)};
    };
    const Range rows = mine(all_rows, a.parts / a.column_splits, at.part / a.column_splits);
    const Range column_parts = mine(a.column_parts, a.column_splits, at.part % a.column_splits);
    auto* slabs = static_cast<Slab<T>*>(workspace);
    T* copies = reinterpret_cast<T*>(slabs + a.most_slabs);
    bool first = true;
    for (int64_t r = rows.begin; r < rows.end; r += a.block_rows)
        for (int64_t part = column_parts.begin; part < column_parts.end; ++part) {
            const Range columns{part_begin(a.out.size[2], a.column_parts, part),
                                part_begin(a.out.size[2], a.column_parts, part + 1)};
            int64_t count = 0;
            T* copy = copies;
            for_each_slab(a, {r, min_of(rows.end, r + a.block_rows)}, columns, [&](Slab<T> s) {
                s.dy = copy;
                s.x = s.dy + s.dy_size(at.width());
                copy = s.x + parts_of(s.x_size(a, at), lanes<T>) * lanes<T>;
                s.copy(a, at);
                slabs[count++] = s;
            });
            if (a.depthwise) {
                weight_gradient_depthwise(a, at, slabs, count, sums, first);
                first = false;
                continue;
            }
            const int64_t block = min_of(a.block_rows, rows.end - r);
            for (int64_t i = 0; i < block; i += a.rows_at_once, first = false)
                weight_gradient_rows(a, at, slabs, count, {i, min_of(block, i + a.rows_at_once)}, sums, first);
        }
}

template <class T>
int64_t weight_gradient_workspace(const WeightGradientArgs<T>& a) {
    const int64_t width = block_of(a.group_out, tile_vectors * lanes<T>, a.out_blocks, 0).count() + lanes<T>;
    const int64_t channels = a.depthwise ? width : part_begin(a.group_in, a.in_blocks, 1),
                  columns = parts_of(a.out.size[2], a.column_parts);
    // Blocks are cut alike in every part but for where they begin: as many slabs, and no taller ones.
    const int64_t tall = min_of(a.block_rows, a.out.size[1]);
    const int64_t x_rows = min_of(a.in.size[1], (tall - 1) * a.step[1] + (a.kernel[1] - 1) * a.dilation[1] + 1);
    const int64_t seen = (columns - 1) * a.step[2] + (a.kernel[2] - 1) * a.dilation[2] + 1;
    const int64_t x_columns = a.joined_columns ? seen : min_of(a.in.size[2], seen);
    const int64_t most = tall * columns * width + a.kernel[0] * x_rows * x_columns * channels + lanes<T>;
    return a.most_slabs * (int64_t(sizeof(Slab<T>)) + most * int64_t(sizeof(T)));
}

// dw of a block of channels: its parts added up in their order, from [row of the kernel][column][in][out] to dw.
template <class T>
void weight_gradient_finish(const WeightGradientArgs<T>& a, int64_t block, const T* sums) {
    constexpr int L = lanes<T>;
    const WeightGradientCell<T> at(a, block * a.parts);
    // Weights of a depthwise convolution have one input channel.
    const int64_t channels = a.depthwise ? 1 : at.in.count(), all_channels = a.depthwise ? 1 : a.group_in;
    const int64_t first_channel = a.depthwise ? 0 : at.in.begin, taps = a.kernel[0] * a.kernel[1] * a.kernel[2];
    const auto sum = [&](int64_t c, int64_t tap, int64_t o) {
        const int64_t panel = min_of(o / (tile_vectors * L), at.panels() - 1), first = panel * tile_vectors * L;
        const T* from = sums + first * taps * channels + (tap * channels + c) * at.vectors(panel) * L + o - first;
        Vec<T> v = load(from);
        for (int64_t p = 1; p < a.parts; ++p) v += load(from + p * a.sums);
        return v;
    };
    for (int64_t o = 0; o < at.out.count(); o += L) {
        const int width = int(min_of(at.out.count() - o, L));
        const Mask<T> outs = first_lanes<T>(width);
        const int64_t channel = at.group * a.group_out + at.out.begin + o;
        if (!a.channels_first) {  // dw: (taps, in, groups * out)
            for (int64_t t = 0; t < taps; ++t)
                for (int64_t c = 0; c < channels; ++c)
                    store_masked(a.dw + (t * all_channels + first_channel + c) * a.groups * a.group_out + channel,
                                 sum(c, t, o), outs);
            continue;
        }
        int64_t c = 0, tap = 0;  // dw: (groups * out, in, taps)
        T* to = a.dw + (channel * all_channels + first_channel) * taps;
        for (int64_t k = 0; k < channels * taps; k += L) {
            const int count = int(min_of(channels * taps - k, L));
            Vec<T> rows[L];
#pragma GCC unroll 16
            for (int i = 0; i < L; ++i) {
                rows[i] = i < count ? sum(c, tap, o) : Vec<T>{};
                if (++tap == taps) tap = 0, ++c;
            }
            transpose<T>(rows);
            const Mask<T> exists = first_lanes<T>(count);
#pragma GCC unroll 16
            for (int i = 0; i < L; ++i)
                if (i < width) store_masked(to + i * all_channels * taps + k, rows[i], exists);
        }
    }
}

// sums[c] over all else of a contiguous (outer, channels, inner), channels begin <= c < end: four vectors of sums, added up
// at the end.
template <class T>
void channel_sums(const T* x, int64_t outer, int64_t channels, int64_t inner, int64_t begin, int64_t end, T* sums) {
    constexpr int64_t L = lanes<T>;
    constexpr int chains = 4;
    if (inner == 1) {
        for (int64_t c = begin; c < end; c += L) {
            const Mask<T> exists = first_lanes<T>(int(min_of(end - c, L)));
            Vec<T> sum[chains] = {};
            for (int64_t i = 0; i < outer; i += chains)
#pragma GCC unroll 4
                for (int j = 0; j < chains; ++j)
                    if (i + j < outer) sum[j] += load_masked(x + (i + j) * channels + c, exists);
            store_masked(sums + c, (sum[0] + sum[1]) + (sum[2] + sum[3]), exists);
        }
        return;
    }
    for (int64_t c = begin; c < end; ++c) {
        Vec<T> sum[chains] = {};
        for (int64_t n = 0; n < outer; ++n) {
            const T* from = x + (n * channels + c) * inner;
            int64_t i = 0;
            for (; i + chains * L <= inner; i += chains * L)
#pragma GCC unroll 4
                for (int j = 0; j < chains; ++j) sum[j] += load(from + i + j * L);
            each_vector<T>(inner - i, [&](int64_t j, const auto& exists) { sum[0] += load_masked(from + i + j, exists); });
        }
        const Vec<T> all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
        T total = all[0];
        for (int i = 1; i < L; ++i) total += all[i];
        sums[c] = total;
    }
}

}  // namespace
}  // namespace fastconv
