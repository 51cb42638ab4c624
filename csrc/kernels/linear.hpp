// The fully connected layer: y[r, o] = f(bias[o] + sum_k x[r, k] * w[o, k]).
//
// Both factors run along k, so the reduction is in lanes and nothing is packed: with few rows, reading the weights once
// is all the time there is. A tile is tile_side rows of x times as many of w. The lanes of a sum are added at the end,
// in the order of the lanes.
#pragma once

#include "epilogue.hpp"
#include "grid.hpp"

namespace fastconv {
namespace {

constexpr int linear_side = vector_registers >= 32 ? 4 : 2;

// c[i][j] = sum over k of x[i][k] * w[j][k], R rows and O outputs
template <class T, int R, int O>
inline void linear_tile(const T* x, const T* w, int64_t in, T* c, int64_t pitch) {
    Vec<T> sum[R][O];
#pragma GCC unroll 4
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 4
        for (int j = 0; j < O; ++j) sum[i][j] = Vec<T>{};
    const auto step = [&](const auto& read) {
        Vec<T> b[O];
#pragma GCC unroll 4
        for (int j = 0; j < O; ++j) b[j] = read(w + j * in);
#pragma GCC unroll 4
        for (int i = 0; i < R; ++i) {
            const Vec<T> a = read(x + i * in);
#pragma GCC unroll 4
            for (int j = 0; j < O; ++j) sum[i][j] = multiply_add<T>(a, b[j], sum[i][j]);
        }
    };
    int64_t k = 0;
    for (; k + lanes<T> <= in; k += lanes<T>) step([&](const T* p) { return load(p + k); });
    if (k < in) step([&](const T* p) { return load_partial(p + k, int(in - k)); });
    for (int i = 0; i < R; ++i)
        for (int j = 0; j < O; ++j) {
            T total = sum[i][j][0];
            for (int l = 1; l < lanes<T>; ++l) total += sum[i][j][l];
            c[i * pitch + j] = total;
        }
}

template <class T>
void linear(const LinearArgs<T>& a, int64_t task) {
    constexpr int L = lanes<T>;
    const int64_t o = task / a.row_blocks * L;
    const int outputs = clamp_lanes(a.out - o, L);
    const int64_t first = task % a.row_blocks * a.row_block, last = min_of(a.rows, first + a.row_block);
    const Vec<T> bias = a.epilogue.bias ? load_partial(a.epilogue.bias + o, outputs) : Vec<T>{};
    for (int64_t r = first; r < last; r += linear_side) {
        const int rows = clamp_lanes(last - r, linear_side);
        alignas(vector_bytes) T c[linear_side * L] = {};
        for (int j = 0; j < outputs; j += linear_side)
            with_constant<linear_side>(rows, [&](auto m) {
                with_constant<linear_side>(clamp_lanes(outputs - j, linear_side), [&](auto n) {
                    linear_tile<T, m.value, n.value>(a.x + r * a.in, a.weights + (o + j) * a.in, a.in, c + j, L);
                });
            });
        for (int i = 0; i < rows; ++i)
            store_partial(a.y + (r + i) * a.out + o, activate(a.epilogue, load(c + i * L) + bias), outputs);
    }
}

}  // namespace
}  // namespace fastconv
