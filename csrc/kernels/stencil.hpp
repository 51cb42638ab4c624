// A stencil: neighbouring outputs share most of what they read, so each vector of the input is loaded once for one column
// of the kernel and feeds every row of the tile whose window it lies in.
//
// Rows are lines of an image with vectors of pixels in them, or, with channels in lanes, the pixels of a line. They are
// reached through an array of pointers: what lies between them (a stride, a dilation) is the caller's matter, and a null
// row lies outside the image and adds nothing, not even the product of zero and a weight.
//
// A sum runs over the columns of the kernel, in each down its rows, for every height of a tile alike: its bits do not
// depend on how rows are blocked.
#pragma once

#include "tile.hpp"

namespace fastconv {
namespace {

// As many rows of weights as stay in registers beside the sums; higher kernels come in slices.
constexpr int stencil_height = 7;

constexpr int stencil_rows = vector_registers >= 32 ? 8 : 4;  // of a tile, at most
// Few rows take more vectors, for there must be sums enough to hide the latency of a multiply-add.
constexpr int stencil_vectors(int rows) { return rows == 1 ? stencil_rows : rows == 2 ? stencil_rows / 2 : 2; }

// sum[r][v] += sum over h < H of weight[h] * row r * S + h, whose vector v `load(row, v)` reads.
template <int H, int R, int V, int S, class T, class Load>
FASTCONV_INLINE void stencil_column(Tile<T, R, V>& tile, const T* const* rows, const Vec<T>* weight, const Load& load) {
#pragma GCC unroll 64
    for (int i = 0; i < S * (R - 1) + H; ++i) {
        if (i % S >= H) continue;  // between windows
        const T* row = rows[i];
        if (!row) continue;
        Vec<T> x[V];
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) {
            x[v] = load(row, v);
            if constexpr (R > 1 && S < H) x[v] = held(x[v]);
        }
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r)
            if (const int h = i - r * S; 0 <= h && h < H)
#pragma GCC unroll 8
                for (int v = 0; v < V; ++v) tile.sum[r][v] += weight[h] * x[v];
    }
}

// The same with scalar weights.
template <int H, int R, int V, int S, class T, class Load>
FASTCONV_INLINE void stencil_slice(Tile<T, R, V>& tile, const T* const* rows, const T* weights, const Load& load) {
    Vec<T> weight[H];
#pragma GCC unroll 8
    for (int h = 0; h < H; ++h) weight[h] = broadcast(weights[h]);
    stencil_column<H, R, V, S>(tile, rows, weight, load);
}

// sum[r][v] += sum over w < width, h < height of weights[w * height + h] * row r * S + h as column w of the kernel sees it:
// `column(w)` gives what loads that.
template <int R, int V, int S, class T, class Columns>
FASTCONV_INLINE void stencil_add_columns(Tile<T, R, V>& tile, const T* const* rows, const Columns& column, const T* weights,
                                         int64_t height, int64_t width) {
    if (height <= stencil_height)
        return with_constant<stencil_height>(int(height), [&](auto h) {
            for (int64_t w = 0; w < width; ++w, weights += h.value)
                stencil_slice<h.value, R, V, S>(tile, rows, weights, column(w));
        });
    constexpr int slice = 4;
    for (int64_t w = 0; w < width; ++w, weights += height) {
        const auto load = column(w);
        int64_t h = 0;
        for (; h + slice <= height; h += slice) stencil_slice<slice, R, V, S>(tile, rows + h, weights + h, load);
        for (; h < height; ++h) stencil_slice<1, R, V, S>(tile, rows + h, weights + h, load);
    }
}

// sum[r][v] += sum over w < width, h < height of weights[w * height + h] * rows[r * S + h][offset[w] + v * lanes + lane]
template <int R, int V, int S, class T>
FASTCONV_INLINE void stencil_add(Tile<T, R, V>& tile, const T* const* rows, const int64_t* offset, const T* weights,
                                 int64_t height, int64_t width) {
    const auto column = [&](int64_t w) {
        return [from = offset[w]](const T* row, int v) { return load(row + from + v * lanes<T>); };
    };
    stencil_add_columns<R, V, S>(tile, rows, column, weights, height, width);
}

}  // namespace
}  // namespace fastconv
