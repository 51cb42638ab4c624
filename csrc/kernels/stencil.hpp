// A stencil: neighbouring outputs share most of what they read, so each vector of the input is loaded once for one column
// of the kernel and feeds every row of the tile whose window it lies in, and every output that is made of the same rows.
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

constexpr int stencil_rows = vector_registers >= 32 ? 8 : 4;  // of a tile, at most
// One row alone takes more vectors, for there must be sums enough to hide the latency of a multiply-add.
constexpr int stencil_vectors(int rows) { return rows == 1 ? 4 : 2; }

// sum[o][r][v] += sum over h < H of weight[o][h] * row r * S + h, whose vector v `load(row, v)` reads, for O outputs.
template <int H, int R, int V, int S, int O, class T, class Load>
FASTCONV_INLINE void stencil_column(Tile<T, O * R, V>& tile, const T* const* rows, const Vec<T>* weight, const Load& load) {
#pragma GCC unroll 64
    for (int i = 0; i < S * (R - 1) + H; ++i) {
        if (i % S >= H) continue;  // between windows
        const T* row = rows[i];
        if (!row) continue;
        Vec<T> x[V];
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) {
            x[v] = load(row, v);
            if constexpr (O > 1 || (R > 1 && S < H)) x[v] = held(x[v]);
        }
#pragma GCC unroll 8
        for (int o = 0; o < O; ++o)
#pragma GCC unroll 16
            for (int r = 0; r < R; ++r)
                if (const int h = i - r * S; 0 <= h && h < H)
#pragma GCC unroll 8
                    for (int v = 0; v < V; ++v)
                        tile.sum[o * R + r][v] = multiply_add<T>(weight[o * H + h], x[v], tile.sum[o * R + r][v]);
    }
}

// Weights of a stencil, one after another: scalars where lanes are pixels, those of the next output `pitch` behind; vectors
// where lanes are the outputs.
template <class T>
struct ScalarWeights {
    const T* first;
    int64_t pitch;
    Vec<T> at(int o, int64_t i) const { return broadcast(first[o * pitch + i]); }
};
template <class T>
struct VectorWeights {
    const T* first;
    Vec<T> at(int, int64_t i) const { return held(load(first + i * lanes<T>)); }
};

// Slice of H rows of one column, whose weights begin at number `first`.
template <int H, int R, int V, int S, int O, class T, class Weights, class Load>
FASTCONV_INLINE void stencil_slice(Tile<T, O * R, V>& tile, const T* const* rows, const Weights& weights, int64_t first,
                                   const Load& load) {
    rows = unknown(rows);
    Vec<T> weight[O * H];
#pragma GCC unroll 8
    for (int o = 0; o < O; ++o)
#pragma GCC unroll 8
        for (int h = 0; h < H; ++h) weight[o * H + h] = weights.at(o, first + h);
    stencil_column<H, R, V, S, O>(tile, rows, weight, load);
}

// sum[o][r][v] += sum over w < width, h < height of weight w * height + h of output o times row r * S + h as column w of
// the kernel sees it: column(w, f), called in ascending order, calls f with what loads that. The usual heights are
// constants; others come in slices, whose weights stay in registers beside the sums.
//
// With S = 0 rows share nothing, and the array is R rows for the first row of the kernel, R for the second, and so on.
template <int R, int V, int S, int O = 1, class T, class Columns, class Weights>
FASTCONV_INLINE void stencil_add_columns(Tile<T, O * R, V>& tile, const T* const* rows, Columns column,
                                         const Weights& weights, int64_t height, int64_t width) {
    if constexpr (S == 0) {
        for (int64_t w = 0; w < width; ++w)
            column(w, [&](const auto& load) FASTCONV_INLINED {
                for (int64_t h = 0; h < height; ++h)
                    stencil_slice<1, R, V, 1, O>(tile, rows + h * R, weights, w * height + h, load);
            });
    } else {
        const auto add = [&](auto h) {
            for (int64_t w = 0; w < width; ++w)
                column(w, [&](const auto& load) FASTCONV_INLINED {
                    stencil_slice<h.value, R, V, S, O>(tile, rows, weights, w * h.value, load);
                });
        };
        if (height == 3) return add(Constant<3>{});
        if constexpr (O == 1) {  // whose weights stay in registers
            if (height == 5) return add(Constant<5>{});
            if (height == 7) return add(Constant<7>{});
        }
        constexpr int slice = 4;
        for (int64_t w = 0; w < width; ++w)
            column(w, [&](const auto& load) FASTCONV_INLINED {
                int64_t h = 0;
                for (; h + slice <= height; h += slice)
                    stencil_slice<slice, R, V, S, O>(tile, rows + h, weights, w * height + h, load);
                for (; h < height; ++h) stencil_slice<1, R, V, S, O>(tile, rows + h, weights, w * height + h, load);
            });
    }
}

}  // namespace
}  // namespace fastconv
