// Depthwise with channels in lanes where channels come first: boxes of the input, transposed there and back (depthwise.hpp).
#pragma once

#include "depthwise_panels.hpp"

namespace fastconv {
namespace {

constexpr int64_t depthwise_box_bytes = 96 << 10;  // more or less, of a box and its sums

// The part of an axis of the input that a range of outputs sees: positions first, first + apart, ..., those inside the
// input. One output sees its taps alone, several everything between them too.
struct BoxAxis {
    int64_t origin, apart, tap;  // of the first output; between positions; positions between taps
    Range held;                  // positions, counted from the origin, that are inside

    template <class T>
    BoxAxis(const ConvArgs<T>& a, int axis, Range outputs) {
        const bool one = outputs.count() == 1;
        origin = outputs.begin * a.step[axis] - a.before[axis];
        apart = one ? a.dilation[axis] : 1;
        tap = one ? 1 : a.dilation[axis];
        held = inside(origin, apart, most(a, axis, outputs.count()), a.in.size[axis]);
    }
    template <class T>
    static int64_t most(const ConvArgs<T>& a, int axis, int64_t outputs) {
        return outputs == 1 ? a.kernel[axis] : (outputs - 1) * a.step[axis] + (a.kernel[axis] - 1) * a.dilation[axis] + 1;
    }
    int64_t input(int64_t position) const { return origin + position * apart; }
};

// How many rows and columns of outputs share a box.
template <class T>
struct DepthwiseBox {
    int64_t rows, columns;
    int64_t pixel;        // elements, whole vectors of the input channels of a panel
    int64_t sums, bytes;  // where its sums lie, and how large it is with them

    explicit DepthwiseBox(const ConvArgs<T>& a) {
        const int64_t blocks = a.pixel_blocks / a.column_blocks;
        rows = max_of(min_of(a.out.size[1], parts_of(a.out.size[0] * a.out.size[1], blocks)), 1);
        const int64_t units = parts_of(parts_of(a.out.size[2], a.column_unit), a.column_blocks);
        columns = max_of(min_of(a.out.size[2], units * a.column_unit), 1);
        pixel = parts_of(a.group_in, lanes<T>) * lanes<T>;
        while (columns > 1 && size(a, 1, columns) > depthwise_box_bytes) columns = parts_of(columns, 2);
        while (rows > 1 && size(a, rows, columns) > depthwise_box_bytes) rows = parts_of(rows, 2);
        bytes = size(a, rows, columns);
        sums = bytes - sums_of(rows, columns);
    }

   private:
    static int64_t sums_of(int64_t rows, int64_t columns) {  // whole blocks of lanes x lanes
        return (parts_of(rows * columns, lanes<T>) + 1) * lanes<T> * vector_bytes;
    }
    int64_t size(const ConvArgs<T>& a, int64_t rows, int64_t columns) const {
        const auto along = [&](int axis, int64_t outputs) {
            return min_of(BoxAxis::most(a, axis, outputs), a.in.size[axis]);
        };
        return along(0, 1) * along(1, rows) * along(2, columns) * pixel * int64_t(sizeof(T)) + sums_of(rows, columns);
    }
};

// Pixel m of `channels` planes, no more than lanes, becomes a vector: to[m * pitch + c] = from[c * c_stride + m * step].
template <class T>
inline void gather_channels(const T* from, int64_t c_stride, int channels, int64_t pixels, int64_t step, T* to,
                            int64_t pitch) {
    constexpr int L = lanes<T>;
    // A lone pixel, such as the last of 7 x 7, is not worth a transpose.
    const int64_t blocks_end = step != 1 ? 0 : pixels % L == 1 ? pixels - 1 : pixels;
    for (int64_t m = blocks_end; m < pixels; ++m)
        for (int c = 0; c < channels; ++c) to[m * pitch + c] = from[c * c_stride + m * step];
    for (int64_t m = 0; m < blocks_end; m += L) {
        const int height = clamp_lanes(pixels - m, L);
        const Mask<T> exists = first_lanes<T>(height);
        Vec<T> block[L];
        const auto load_rows = [&](int count) FASTCONV_INLINED {
#pragma GCC unroll 16
            for (int c = 0; c < L; ++c)
                block[c] = c >= count    ? Vec<T>{}
                           : height == L ? load(from + c * c_stride + m)
                                         : load_masked(from + c * c_stride + m, exists);
        };
        channels == L ? load_rows(L) : load_rows(channels);
        transpose<T>(block);
#pragma GCC unroll 16
        for (int i = 0; i < L; ++i)
            if (i < height) store(to + (m + i) * pitch, block[i]);
    }
}

template <class T>
inline void depthwise_fill_box(const ConvArgs<T>& a, const BoxAxis& d, const BoxAxis& h, const BoxAxis& w, const T* x,
                               int channels, T* box, int64_t pixel) {
    const int64_t columns = w.held.count(), rows = h.held.count();
    const bool together = columns == a.in.size[2] && h.apart == 1 && w.apart == 1;  // whole rows follow each other
    for (int64_t i = d.held.begin; i < d.held.end; ++i)
        for (int64_t j = 0; j < (together ? 1 : rows); ++j) {
            const T* from =
                x + d.input(i) * a.in.stride[0] + h.input(h.held.begin + j) * a.in.stride[1] + w.input(w.held.begin);
            T* to = box + ((i - d.held.begin) * rows + j) * columns * pixel;
            for (int c = 0; c < channels; c += lanes<T>)
                gather_channels(from + c * a.in.c_stride, a.in.c_stride, clamp_lanes(channels - c, lanes<T>),
                                together ? rows * columns : columns, w.apart, to + c, pixel);
        }
}

// The outputs of one box: slice od, some rows and columns of one panel.
template <class T, int S>
inline void depthwise_do_box(const ConvArgs<T>& a, const DepthwisePanel& panel, const T* weights, const T* x, T* y,
                             int64_t od, Range rows, Range columns, const T** pixels, T* box, T* sums, int64_t pixel) {
    constexpr int L = lanes<T>;
    const BoxAxis d(a, 0, {od, od + 1}), h(a, 1, rows), w(a, 2, columns);
    const int64_t row = w.held.count() * pixel, slice = h.held.count() * row;
    if (slice) depthwise_fill_box(a, d, h, w, x, panel.channels_in, box, pixel);

    Epilogue<T> bias = a.epilogue;
    bias.activation = Activation::none;
    bias.residual = nullptr;
    const int64_t step = tile_step(S, a.step[2], a.dilation[2], a.kernel[2]);
    const Range kd = taps_inside(a, 0, od);
    const BitsVec<T> group = group_lanes(a);
    for_each_tile<stencil_pixels>(columns, step, [&](auto p, int64_t first) {
        for_each_position<p.value, S>(a, 2, first, step, [&](int64_t i, int64_t iw) {
            const int64_t position = (iw - w.origin) / w.apart;
            pixels[i] = 0 <= iw && iw < a.in.size[2] ? box + (position - w.held.begin) * pixel : nullptr;
        });
        for (int64_t oh = rows.begin; oh < rows.end; ++oh) {
            const int64_t top = (oh - rows.begin) * a.step[1] - h.held.begin;
            const DepthwisePixels<T> t{pixels,
                                       top * row - d.held.begin * slice,
                                       slice,
                                       h.tap * row,
                                       kd,
                                       taps_inside(a, 1, oh),
                                       group,
                                       bias,
                                       sums + ((oh - rows.begin) * columns.count() + first - columns.begin) * L,
                                       p.value > 1 ? step * L : 0,
                                       L};
            depthwise_panel<T, p.value, S>(a, t, panel, weights);
        }
    });

    const bool together = columns.count() == a.out.size[2];
    T* to = y + od * a.out.stride[0] + rows.begin * a.out.stride[1] + columns.begin;
    for (int64_t j = 0; j < (together ? 1 : rows.count()); ++j)
        finish_transposed(a.epilogue, sums + j * columns.count() * L, L, columns.count() * (together ? rows.count() : 1),
                          panel.channels, to + j * a.out.stride[1], a.out.c_stride);
}

template <class T, int S>
inline void depthwise_boxes(const ConvArgs<T>& a, int64_t task, void* workspace) {
    const Cell at = cell_of(a, task);
    const DepthwiseBlock block = depthwise_block(a, at.pixel_block);
    const DepthwisePanel panel = DepthwisePanels<T>(a)(a, at.channel_block);
    const DepthwiseBox<T> size(a);
    char* memory = static_cast<char*>(workspace) + depthwise_positions(a, 2, S);
    const T* x = a.x + at.n * a.in.n_stride + panel.in * a.in.c_stride;
    T* y = a.y + at.n * a.out.n_stride + panel.out * a.out.c_stride;
    for_each_slice(a, block.rows, [&](int64_t od, Range rows) {
        for (int64_t oh = rows.begin; oh < rows.end; oh += size.rows)
            for (int64_t ow = block.columns.begin; ow < block.columns.end; ow += size.columns)
                depthwise_do_box<T, S>(a, panel, a.weights + at.channel_block * a.reduction * lanes<T>, x, y, od,
                                       {oh, min_of(rows.end, oh + size.rows)},
                                       {ow, min_of(block.columns.end, ow + size.columns)}, static_cast<const T**>(workspace),
                                       reinterpret_cast<T*>(memory), reinterpret_cast<T*>(memory + size.sums), size.pixel);
    });
}

}  // namespace
}  // namespace fastconv
