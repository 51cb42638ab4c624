// The register tile: sum[m][v] += sum_k a(m, k) * b(k, v), m < M rows of broadcast scalars, v < V vectors.
//
// Both orientations of every dense kernel are this loop. With channels in lanes, a row is a pixel (its values broadcast
// straight from the input) and b is a packed panel of weights; with pixels in lanes, a row is an output channel and b is
// the input itself or a panel of patches. What differs is only where a and b come from, so those are small types with
// one inlined member.
//
// A sum that comes in one run of products never leaves the registers before it is stored. One that comes in several
// (padding that is skipped, a reduction that is cut) waits in a buffer between them, in one fixed order all the same.
#pragma once

#include "simd.hpp"

namespace fastconv {
namespace {

#define FASTCONV_INLINED __attribute__((always_inline))  // of lambdas
#define FASTCONV_INLINE inline FASTCONV_INLINED

constexpr int tile_vectors = 2;  // the usual width; the last tile of an odd number of vectors is one or three wide
constexpr int most_rows = 14;    // beyond that, a tile loads no less for each product

// The rows for which V vectors of sums, V operands and one broadcast fit the registers.
constexpr int rows_of(int vectors) {
    const int rows = (vector_registers - vectors - 1 - product_registers) / vectors;
    return rows < most_rows ? rows : most_rows;
}
constexpr int tile_rows = rows_of(tile_vectors);

// Vectors of a row of tiles: two at a time, the last time one to three.
constexpr int last_vectors = tile_vectors + 1;

template <class T>
constexpr int tile_pitch = last_vectors * lanes<T>;

// Rows are pixels `row` apart; the k-th value of a pixel lies offset[k] behind its first. Any convolution. The rows that
// come `next` elements behind are asked for meanwhile: into the second-level cache, for they are many.
template <class T>
struct ScatteredRowsBeforeNext {
    const T* base;
    int64_t row;
    const int64_t* offset;
    int64_t next;
    T at(int m, int64_t k) const {
        if (m == 0) __builtin_prefetch(base + offset[k] + next, 0, 2);
        return base[offset[k] + m * row];
    }
};

// The same for every `step`-th product.
template <class T>
struct SteppedRows {
    const T* base;
    int64_t row;
    const int64_t* offset;
    int64_t step;
    T at(int m, int64_t k) const { return base[offset[k * step] + m * row]; }
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
struct PanelRowsBeforeNext {
    const T* base;
    int64_t pitch, next;
    T at(int m, int64_t k) const {
        if (m == 0) __builtin_prefetch(base + k * pitch + next, 0, 2);
        return base[k * pitch + m];
    }
};

template <class T>
struct Columns {
    const T* base;
    int64_t stride;
    Vec<T> at(int64_t k, int v) const { return load(base + k * stride + v * lanes<T>); }
};

// The same, while the columns `next` elements behind are asked for.
template <class T>
struct ColumnsBeforeNext {
    const T* base;
    int64_t stride, next;
    Vec<T> at(int64_t k, int v) const {
        const T* p = base + k * stride + v * lanes<T>;
        __builtin_prefetch(p + next, 0, 2);
        return load(p);
    }
};

// The same, from beyond the second-level cache: lines are asked for some time before they are read.
template <class T>
struct StreamedColumns {
    static constexpr int64_t ahead = 4096 / sizeof(T);
    const T* base;
    int64_t stride;
    Vec<T> at(int64_t k, int v) const {
        const T* p = base + k * stride + v * lanes<T>;
        __builtin_prefetch(p + ahead);
        return load(p);
    }
};

// The same, of a panel of weights, while a share of the next panel is asked for, `step` elements of it for each k.
template <class T>
struct PanelColumns {
    const T* base;
    int64_t stride;
    const T* next;
    int64_t step;
    Vec<T> at(int64_t k, int v) const {
        if (v == 0) __builtin_prefetch(next + k * step, 0, 2);
        return load(base + k * stride + v * lanes<T>);
    }
};

// The same where only some columns of the last vector, number `last`, exist.
template <class T>
struct PartialColumns {
    const T* base;
    int64_t stride;
    int last;
    Mask<T> exists;
    Vec<T> at(int64_t k, int v) const {
        const T* p = base + k * stride + v * lanes<T>;
        return v < last ? load(p) : load_masked(p, exists);
    }
};

// Pixels S apart, the k-th product's offset[k] behind the first's.
template <class T, int S>
struct ScatteredColumns {
    const T* base;
    const int64_t* offset;
    Vec<T> at(int64_t k, int v) const { return load_step<S>(base + offset[k] + v * S * lanes<T>); }
};

// The same for every `step`-th product, where only some of the pixels are inside the input; the others count as zeros.
template <class T, int S, int V>
struct MaskedColumns {
    const T* base;
    const int64_t* offset;
    int64_t step;
    StepMask<T, S> inside[V];
    Vec<T> at(int64_t k, int v) const { return load_step<S>(base + offset[k * step] + v * S * lanes<T>, inside[v]); }
};

// What a value of a row and one of a column come to, lane by lane.
struct Product {
    template <class T>
    static Vec<T> add(Vec<T> a, Vec<T> b, Vec<T> sum) {
        return multiply_add<T>(a, b, sum);
    }
};

template <class T, int M, int V>
struct Tile {
    Vec<T> sum[M][V];

    FASTCONV_INLINE void begin(Vec<T> start) {
#pragma GCC unroll 16
        for (int m = 0; m < M; ++m)
#pragma GCC unroll 8
            for (int v = 0; v < V; ++v) sum[m][v] = start;
    }
    // Every row begins with these V vectors (channels in lanes: the bias), or with zero.
    FASTCONV_INLINE void begin_columns(const T* start, int last, const Mask<T>& exists) {
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) {
            const Vec<T> s = !start     ? Vec<T>{}
                             : v < last ? load(start + v * lanes<T>)
                                        : load_masked(start + v * lanes<T>, exists);
#pragma GCC unroll 16
            for (int m = 0; m < M; ++m) sum[m][v] = s;
        }
    }
    // Row m begins with start[m] (pixels in lanes: the bias), or with zero.
    FASTCONV_INLINE void begin_rows(const T* start) {
#pragma GCC unroll 16
        for (int m = 0; m < M; ++m) {
            const Vec<T> s = start ? broadcast<T>(start[m]) : Vec<T>{};
#pragma GCC unroll 8
            for (int v = 0; v < V; ++v) sum[m][v] = s;
        }
    }
    FASTCONV_INLINE void load_from(const T* c, int64_t pitch) {
#pragma GCC unroll 16
        for (int m = 0; m < M; ++m)
#pragma GCC unroll 8
            for (int v = 0; v < V; ++v) sum[m][v] = load(c + m * pitch + v * lanes<T>);
    }
    FASTCONV_INLINE void add_from(const T* c, int64_t pitch) {
#pragma GCC unroll 16
        for (int m = 0; m < M; ++m)
#pragma GCC unroll 8
            for (int v = 0; v < V; ++v) sum[m][v] += load(c + m * pitch + v * lanes<T>);
    }
    // Only the first `count` columns, which end in the last vector.
    FASTCONV_INLINE void add_from(const T* c, int64_t pitch, int64_t count) {
        const Mask<T> exists = first_lanes<T>(int(count - (V - 1) * lanes<T>));
#pragma GCC unroll 16
        for (int m = 0; m < M; ++m, c = unknown(c + pitch)) {
#pragma GCC unroll 8
            for (int v = 0; v < V - 1; ++v) sum[m][v] += load(c + v * lanes<T>);
            sum[m][V - 1] += load_masked(c + (V - 1) * lanes<T>, exists);
        }
    }
    template <class Of = Product, class Rows, class Cols>
    FASTCONV_INLINE void add(const Rows& a, const Cols& b, int64_t count) {
        for (int64_t k = 0; k < count; ++k) {
            Vec<T> column[V];
#pragma GCC unroll 8
            for (int v = 0; v < V; ++v) column[v] = b.at(k, v);
#pragma GCC unroll 16
            for (int m = 0; m < M; ++m) {
                const Vec<T> scalar = broadcast<T>(a.at(m, k));
#pragma GCC unroll 8
                for (int v = 0; v < V; ++v) sum[m][v] = Of::template add<T>(scalar, column[v], sum[m][v]);
            }
        }
    }
    FASTCONV_INLINE void clamp(T low, T high) {
#pragma GCC unroll 16
        for (int m = 0; m < M; ++m)
#pragma GCC unroll 8
            for (int v = 0; v < V; ++v) sum[m][v] = at_most(at_least(sum[m][v], broadcast(low)), broadcast(high));
    }
    FASTCONV_INLINE void store_to(T* c, int64_t pitch) const {
#pragma GCC unroll 16
        for (int m = 0; m < M; ++m, c = unknown(c + pitch))
#pragma GCC unroll 8
            for (int v = 0; v < V; ++v) store(c + v * lanes<T>, sum[m][v]);
    }
    // Only the first `count` columns, which end in the last vector.
    FASTCONV_INLINE void store_to(T* c, int64_t pitch, int64_t count) const {
        const int rest = int(count - (V - 1) * lanes<T>);
        if (rest == lanes<T>) return store_to(c, pitch);
        const Mask<T> exists = first_lanes<T>(rest);
#pragma GCC unroll 16
        for (int m = 0; m < M; ++m, c = unknown(c + pitch)) {
#pragma GCC unroll 8
            for (int v = 0; v < V - 1; ++v) store(c + v * lanes<T>, sum[m][v]);
            store_masked(c + (V - 1) * lanes<T>, sum[m][V - 1], exists);
        }
    }
};

// Calls f(Constant<V>) for the vectors that `width` columns need, at most last_vectors.
template <class T, class F>
FASTCONV_INLINE void with_vectors(int64_t width, const F& f) {
    static_assert(last_vectors == 3);
    if (width <= lanes<T>)
        f(Constant<1>{});
    else if (width <= 2 * lanes<T>)
        f(Constant<2>{});
    else
        f(Constant<3>{});
}

}  // namespace
}  // namespace fastconv
