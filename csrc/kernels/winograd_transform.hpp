// The transforms of Winograd's minimal filtering F(m x m, r x r) (A. Lavin and S. Gray, Fast Algorithms for Convolutional
// Neural Networks, 2016), written once for every type and instruction set:
//
//     Y = A^T [ sum_c (G g_c G^T) .* (B^T d_c B) ] A       for each tile of (m + r - 1) x (m + r - 1) input pixels
//
// Four points are 0, 1, -1, infinity, six are 0, +-a, +-b, infinity with a = 2/3, b = 3/2: of the points for which a b = 1,
// which saves multiplications, those with the smallest error (docs/winograd.md has the figures). B depends on the points
// alone: F(4x4, 3x3) and F(5x5, 2x2) share it.
//
// A tile that reaches over the edge of the image by half its outputs or so needs fewer points: 0, 1, infinity, or 0, +-a,
// infinity, and gives so many outputs fewer. The weights of those points are the same but for a factor (the derivative of
// the product of x - p at a point p), which goes into B.
#pragma once

#include "tile.hpp"

namespace fastconv {
namespace {

template <int points>
struct WinogradPoints;

// Positions come in pairs that read the same inputs; d(i) is the i-th input, in(i) the i-th position. The rows of G are the
// first powers of a point, with what divides them: 1, 0, ... for 0 and 0, ..., 1 for infinity, which are the first pair; of
// other pairs `weights` has the first, in the second the odd powers have the other sign.
template <>
struct WinogradPoints<4> {
    static constexpr int pairs = 2, first[] = {0, 1}, second[] = {3, 2}, edge_points = 3;
    static constexpr bool at_edge(int position) { return position != 2; }
    static constexpr double weights[2][3] = {{}, {0.5, 0.5, 0.5}};
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
    template <class T, bool edge, int outputs, class In>
    FASTCONV_INLINE static void output(Vec<T>* y, const In& in) {
        static_assert(outputs == (edge ? 1 : 2), "of three taps");
        if constexpr (edge) {
            y[0] = (in(0) + in(1)) - in(3);
        } else {
            y[0] = in(0) + (in(1) + in(2));
            y[1] = (in(1) - in(2)) - in(3);
        }
    }
};

template <>
struct WinogradPoints<6> {
    static constexpr int pairs = 3, first[] = {0, 1, 3}, second[] = {5, 2, 4}, edge_points = 4;
    static constexpr bool at_edge(int position) { return position != 3 && position != 4; }

    // Powers and weights are written as fractions, so that each is rounded but once.
    static constexpr double a = 2.0 / 3, a2 = 4.0 / 9, b = 3.0 / 2, b2 = 9.0 / 4;
    static constexpr double a_power[] = {1, a, a2, 8.0 / 27, 16.0 / 81}, b_power[] = {1, b, b2, 27.0 / 8, 81.0 / 16};
    static constexpr double weights[3][4] = {
        {}, {-81.0 / 130, -27.0 / 65, -18.0 / 65, -12.0 / 65}, {8.0 / 65, 12.0 / 65, 18.0 / 65, 27.0 / 65}};

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
    // The last output is infinity's too.
    template <class T, bool edge, int outputs, class In>
    FASTCONV_INLINE static void output(Vec<T>* y, const In& in) {
        const Vec<T> near[] = {in(1) + in(2), in(1) - in(2)};
        Vec<T> far[2];
        if constexpr (!edge) far[0] = in(3) + in(4), far[1] = in(3) - in(4);
        y[0] = edge ? in(0) + near[0] : (in(0) + near[0]) + far[0];
#pragma GCC unroll 4
        for (int k = 1; k < outputs; ++k) {
            const Vec<T> a = broadcast(T(a_power[k])), b = broadcast(T(b_power[k]));
            if (edge)
                y[k] = k + 1 < outputs ? near[k % 2] * a : multiply_add<T>(near[k % 2], a, in(5));
            else
                y[k] = multiply_add<T>(near[k % 2], a,
                                       k + 1 < outputs ? far[k % 2] * b : multiply_add<T>(far[k % 2], b, in(5)));
        }
    }
};

// F(m x m, r x r). Tiles at the edge have `edge_outputs` outputs across it, or fewer.
template <int m, int r>
struct Winograd : WinogradPoints<m + r - 1> {
    static constexpr int outputs = m, taps = r, points = m + r - 1;
    static constexpr int edge_outputs = WinogradPoints<points>::edge_points - r + 1;
    template <class T, bool edge, class In>
    FASTCONV_INLINE static void output(Vec<T>* y, const In& in) {
        WinogradPoints<points>::template output<T, edge, edge ? edge_outputs : m>(y, in);
    }
};

// G g of one line of weights, g[0], g[step], ...: points of opposite sign share their products.
template <class T, class W>
FASTCONV_INLINE void winograd_line(const Vec<T>* g, int step, Vec<T>* u) {
    u[W::first[0]] = g[0];
    u[W::second[0]] = g[(W::taps - 1) * step];
#pragma GCC unroll 2
    for (int p = 1; p < W::pairs; ++p) {
        const auto f = [&](int k) { return broadcast(T(W::weights[p][k])); };
        Vec<T> even = g[0] * f(0), odd = g[step] * f(1);
        if constexpr (W::taps > 2) even = multiply_add<T>(g[2 * step], f(2), even);
        if constexpr (W::taps > 3) odd = multiply_add<T>(g[3 * step], f(3), odd);
        u[W::first[p]] = even + odd;
        u[W::second[p]] = even - odd;
    }
}

// U = G g G^T of a kernel, a vector at once: put(position, u) for each position of it.
template <class T, class W, class Put>
FASTCONV_INLINE void winograd_weights(const Vec<T> (&g)[W::taps * W::taps], const Put& put) {
    Vec<T> rows[W::points][W::taps], u[W::points];  // rows of G g
#pragma GCC unroll 4
    for (int q = 0; q < W::taps; ++q) {
        winograd_line<T, W>(g + q, W::taps, u);
#pragma GCC unroll 6
        for (int i = 0; i < W::points; ++i) rows[i][q] = u[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < W::points; ++i) {
        winograd_line<T, W>(rows[i], 1, u);
#pragma GCC unroll 6
        for (int k = 0; k < W::points; ++k) put(i * W::points + k, u[k]);
    }
}

// V = B^T d B of a tile, a vector at once: pixels (i, j) are what pixel(i, j) loads, position (i, j) of the result lies at
// to[(i * points + j) * position].
template <class T, class W, bool edge_rows, bool edge_columns, class Pixel>
inline void winograd_input(const Pixel& pixel, T* to, int64_t position) {
    constexpr int alpha = W::points, columns = edge_columns ? W::edge_points : alpha;
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
template <class T, class W, bool edge_rows, bool edge_columns, class Put>
FASTCONV_INLINE void winograd_output(const T* from, int64_t position, const Put& put) {
    constexpr int alpha = W::points, m = W::outputs, rows = edge_rows ? W::edge_outputs : m;
    Vec<T> half[alpha][m];
#pragma GCC unroll 6
    for (int j = 0; j < alpha; ++j)
        if (!edge_columns || W::at_edge(j))
            W::template output<T, edge_rows>(half[j], [&](int i) { return load(from + (i * alpha + j) * position); });
#pragma GCC unroll 5
    for (int i = 0; i < rows; ++i) {
        Vec<T> y[m];
        W::template output<T, edge_columns>(y, [&](int j) { return half[j][i]; });
        put(i, y);
    }
}

}  // namespace
}  // namespace fastconv
