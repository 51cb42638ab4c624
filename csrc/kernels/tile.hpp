// The register tile: c[m][v] += sum_k a(m, k) * b(k, v), m < M rows of broadcast scalars, v < V vectors.
//
// Both orientations of every dense kernel are this loop. With channels in lanes, a row is a pixel (its values broadcast
// straight from the input) and b is a packed panel of weights; with pixels in lanes, a row is an output channel and b is
// the input itself or a panel of patches. What differs is only where a and b come from, so those are small types with
// one inlined member; the tile c lies in first-level cache between calls, which lets a sum go on over several calls
// (padding that is skipped, a reduction that is cut) in one fixed order.
#pragma once

#include "simd.hpp"

namespace fastconv {
namespace {

// Rows are pixels `row` apart; the k-th value of a pixel lies offset[k] behind its first. Any convolution.
template <class T>
struct ScatteredRows {
    const T* base;
    int64_t row;
    const int64_t* offset;
    T at(int m, int64_t k) const { return base[offset[k] + m * row]; }
};

// Rows are pixels `row` apart; their values follow each other. Channels last, and packed patches.
template <class T>
struct DenseRows {
    const T* base;
    int64_t row;
    T at(int m, int64_t k) const { return base[m * row + k]; }
};

// Rows are interleaved: the M values of each k follow each other. Packed weights with pixels in lanes.
template <class T, int M>
struct InterleavedRows {
    const T* base;
    T at(int m, int64_t k) const { return base[k * M + m]; }
};

// Rows are interleaved `pitch` apart: output channels of a packed panel, with pixels in lanes.
template <class T>
struct PanelRows {
    const T* base;
    int64_t pitch;
    T at(int m, int64_t k) const { return base[k * pitch + m]; }
};

template <class T>
struct Columns {
    const T* base;
    int64_t stride;
    Vec<T> at(int64_t k, int v) const { return load(base + k * stride + v * lanes<T>); }
};

// The same where only the first `count` columns exist; nothing is read behind them.
template <class T>
struct PartialColumns {
    const T* base;
    int64_t stride;
    int count;
    Vec<T> at(int64_t k, int v) const {
        const int n = count - v * lanes<T>;
        if (n >= lanes<T>) return load(base + k * stride + v * lanes<T>);
        return n > 0 ? load_partial(base + k * stride + v * lanes<T>, n) : Vec<T>{};
    }
};

// Pixels S apart, the k-th product's offset[k] behind the first's.
template <class T, int S>
struct ScatteredColumns {
    const T* base;
    const int64_t* offset;
    Vec<T> at(int64_t k, int v) const { return load_step<S>(base + offset[k] + v * S * lanes<T>); }
};

// c is [M][V * lanes], rows `pitch` apart. A fresh tile starts from zero, whatever c held; else from c.
template <class T, int M, int V, class Rows, class Cols>
inline void multiply(T* c, int64_t pitch, bool fresh, const Rows& a, const Cols& b, int64_t count) {
    Vec<T> sum[M][V];
    if (fresh) {
#pragma GCC unroll 16
        for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) sum[m][v] = Vec<T>{};
    } else {
#pragma GCC unroll 16
        for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) sum[m][v] = load(c + m * pitch + v * lanes<T>);
    }
    for (int64_t k = 0; k < count; ++k) {
        Vec<T> column[V];
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) column[v] = b.at(k, v);
#pragma GCC unroll 16
        for (int m = 0; m < M; ++m) {
            const Vec<T> scalar = broadcast<T>(a.at(m, k));
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) sum[m][v] += scalar * column[v];
        }
    }
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) store(c + m * pitch + v * lanes<T>, sum[m][v]);
}

template <class T>
inline void clear(T* c, int64_t count) {
    for (int64_t i = 0; i < count; i += lanes<T>) store(c + i, Vec<T>{});
}

// A panel narrower than one vector of channels or pixels is multiplied as one vector, not as two.
template <class T, class F>
inline void with_vectors(int64_t width, const F& f) {
    if (width <= lanes<T>)
        f(Constant<1>{});
    else
        f(Constant<tile_vectors>{});
}

}  // namespace
}  // namespace fastconv
