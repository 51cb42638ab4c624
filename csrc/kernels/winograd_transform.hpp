// The transforms of Winograd's minimal filtering F(m x m, 3x3) (A. Lavin and S. Gray, Fast Algorithms for Convolutional
// Neural Networks, 2016), written once for every type and instruction set:
//
//     Y = A^T [ sum_c (G g_c G^T) .* (B^T d_c B) ] A       for each tile of (m + 2) x (m + 2) input pixels
//
// F(2x2) interpolates at 0, 1, -1, infinity; F(4x4) at 0, +-a, +-b, infinity with a = 2/3, b = 3/2: of the points for which
// a b = 1, which saves multiplications, those with the smallest error (docs/winograd.md has the figures).
//
// A tile that reaches over the edge of the image by half its outputs or more needs fewer points: F(2x2) gives one output
// from 0, 1, infinity, F(4x4) two from 0, +-a, infinity. The weights of those points are the same but for a factor
// (the derivative of the product of x - p at a point p), which goes into B.
#pragma once

#include "tile.hpp"

namespace fastconv {
namespace {

template <int m>
struct Winograd;

// Positions come in pairs that read the same inputs; d(i) is the i-th input, in(i) the i-th position.
template <>
struct Winograd<2> {
    static constexpr int pairs = 2, first[] = {0, 1}, second[] = {3, 2}, edge_outputs = 1;
    static constexpr bool at_edge(int position) { return position != 2; }
    static constexpr double weights[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};  // G
    template <class T, int pair, bool edge, class D>
    FASTCONV_INLINE static void input(const D& d, Vec<T>& v, Vec<T>& w) {
        if constexpr (pair == 0 && edge) {
            v = d(0) - d(1);
            w = d(1) - d(2);
        } else if constexpr (pair == 0) {
            v = d(0) - d(2);
            w = d(1) - d(3);
        } else if constexpr (edge) {
            v = d(1) + d(1);
        } else {
            v = d(1) + d(2);
            w = d(2) - d(1);
        }
    }
    template <class T, bool edge, class In>
    FASTCONV_INLINE static void output(Vec<T>* y, const In& in) {
        if constexpr (edge) {
            y[0] = (in(0) + in(1)) - in(3);
        } else {
            y[0] = in(0) + (in(1) + in(2));
            y[1] = (in(1) - in(2)) - in(3);
        }
    }
};

template <>
struct Winograd<4> {
    static constexpr int pairs = 3, first[] = {0, 1, 3}, second[] = {5, 2, 4}, edge_outputs = 2;
    static constexpr bool at_edge(int position) { return position != 3 && position != 4; }

    // Powers and weights are written as fractions, so that each is rounded but once.
    static constexpr double a = 2.0 / 3, a2 = 4.0 / 9, a3 = 8.0 / 27, b = 3.0 / 2, b2 = 9.0 / 4, b3 = 27.0 / 8;
    static constexpr double weights[6][3] = {{1, 0, 0},
                                             {-81.0 / 130, -27.0 / 65, -18.0 / 65},
                                             {-81.0 / 130, 27.0 / 65, -18.0 / 65},
                                             {8.0 / 65, 12.0 / 65, 18.0 / 65},
                                             {8.0 / 65, -12.0 / 65, 18.0 / 65},
                                             {0, 0, 1}};

    template <class T, int pair, bool edge, class D>
    FASTCONV_INLINE static void input(const D& d, Vec<T>& v, Vec<T>& w) {
        if constexpr (pair == 0 && edge) {
            v = multiply_add<T>(d(2), broadcast(T(-b2)), d(0));
            w = multiply_add<T>(d(1), broadcast(T(-a2)), d(3));
        } else if constexpr (pair == 0) {
            v = multiply_add<T>(d(2), broadcast(T(-97.0 / 36)), d(0) + d(4));
            w = multiply_add<T>(d(3), broadcast(T(-97.0 / 36)), d(1) + d(5));
        } else if constexpr (edge) {
            const Vec<T> even = d(2) * T(-65.0 / 36);  // a2 - b2, a3 - b
            v = multiply_add<T>(d(1), broadcast(T(-65.0 / 54)), even);
            w = multiply_add<T>(d(1), broadcast(T(65.0 / 54)), even);
        } else {
            constexpr double p = pair == 1 ? a : b, q = pair == 1 ? b : a, q2 = pair == 1 ? b2 : a2;
            const Vec<T> even = multiply_add<T>(d(2), broadcast(T(-q2)), d(4));
            const Vec<T> odd = multiply_add<T>(d(1), broadcast(T(-q)), d(3) * T(p));  // p q^2 = q
            v = even + odd;
            w = even - odd;
        }
    }
    template <class T, bool edge, class In>
    FASTCONV_INLINE static void output(Vec<T>* y, const In& in) {
        const Vec<T> sum = in(1) + in(2), difference = in(1) - in(2);
        if constexpr (edge) {
            y[0] = in(0) + sum;
            y[1] = multiply_add<T>(difference, broadcast(T(a)), in(5));
        } else {
            const Vec<T> sum2 = in(3) + in(4), difference2 = in(3) - in(4);
            y[0] = (in(0) + sum) + sum2;
            y[1] = multiply_add<T>(difference, broadcast(T(a)), difference2 * T(b));
            y[2] = multiply_add<T>(sum, broadcast(T(a2)), sum2 * T(b2));
            y[3] = multiply_add<T>(difference, broadcast(T(a3)), multiply_add<T>(difference2, broadcast(T(b3)), in(5)));
        }
    }
};

// V = B^T d B of a tile, a vector at once: pixels (i, j) are what pixel(i, j) loads, position (i, j) of the result lies at
// to[(i * (m + 2) + j) * position].
template <class T, int m, bool edge_rows, bool edge_columns, class Pixel>
inline void winograd_input(const Pixel& pixel, T* to, int64_t position) {
    using W = Winograd<m>;
    constexpr int alpha = m + 2, columns = edge_columns ? W::edge_outputs + 2 : alpha;
    const auto rows_of_pair = [&](auto pair) {
        constexpr int p = pair.value;
        Vec<T> half[2][columns];
#pragma GCC unroll 6
        for (int j = 0; j < columns; ++j)
            W::template input<T, p, edge_rows>([&](int i) { return pixel(i, j); }, half[0][j], half[1][j]);
#pragma GCC unroll 2
        for (int r = 0; r < 2; ++r) {
            const int i = r ? W::second[p] : W::first[p];
            if (edge_rows && !W::at_edge(i)) continue;
            const auto columns_of_pair = [&](auto other) {
                constexpr int q = other.value;
                if constexpr (edge_columns && !W::at_edge(W::first[q])) return;
                Vec<T> v, w;
                W::template input<T, q, edge_columns>([&](int j) { return half[r][j]; }, v, w);
                store(to + (i * alpha + W::first[q]) * position, v);
                if (!edge_columns || W::at_edge(W::second[q])) store(to + (i * alpha + W::second[q]) * position, w);
            };
            columns_of_pair(Constant<0>{});
            columns_of_pair(Constant<1>{});
            if constexpr (W::pairs > 2) columns_of_pair(Constant<2>{});
        }
    };
    rows_of_pair(Constant<0>{});
    rows_of_pair(Constant<1>{});
    if constexpr (W::pairs > 2 && !edge_rows) rows_of_pair(Constant<2>{});
}

// Y = A^T M A of a tile, `lanes` channels at once; calls put(i, y) with each row y[0], ..., y[m - 1].
template <class T, int m, bool edge_rows, bool edge_columns, class Put>
FASTCONV_INLINE void winograd_output(const T* from, int64_t position, const Put& put) {
    using W = Winograd<m>;
    constexpr int alpha = m + 2, rows = edge_rows ? W::edge_outputs : m;
    Vec<T> half[alpha][m];
#pragma GCC unroll 6
    for (int j = 0; j < alpha; ++j)
        if (!edge_columns || W::at_edge(j))
            W::template output<T, edge_rows>(half[j], [&](int i) { return load(from + (i * alpha + j) * position); });
#pragma GCC unroll 4
    for (int i = 0; i < rows; ++i) {
        Vec<T> y[m];
        W::template output<T, edge_columns>(y, [&](int j) { return half[j][i]; });
        put(i, y);
    }
}

}  // namespace
}  // namespace fastconv
