// Winograd's algorithm with neighbouring tiles of a row in lanes, for few input channels, channels first. With channels in
// lanes most of a vector would be empty on the way in, and sums of few products would be stored and loaded again; here they
// never leave the registers, and rows of outputs are written in runs as long as those tiles are wide.
//
// Loops: input   row of tiles, channel { new input lines -> tiles }
//        output  row of tiles, vectors of tiles, panel, channels of it { column of positions: multiply, transform back;
//                                                                        rows of outputs -> y }
// Tiles at the edge are computed like all others, the outputs that do not exist are not stored.
// Packed weights: U [group][pair of channels][position][c][channel].
// Workspace: V [row of tiles][position][c][tile], lines of pixels on the way in (a ring, [line][c][column of a tile][tile]),
// sums on the way out, magnitudes of pixels and tables of tiles as in winograd.hpp.
#pragma once

#include "copy.hpp"
#include "epilogue.hpp"
#include "winograd_block.hpp"

namespace fastconv {
namespace {

// Channels and vectors of tiles at once: the sums of their six positions of a column leave registers for their operands.
constexpr int winograd_channels_at_once = 2;
constexpr int winograd_vectors = (vector_registers - product_registers - 3) / (6 * winograd_channels_at_once) > 1 ? 2 : 1;

constexpr int64_t winograd_near_output = 8 << 20;  // bytes of outputs that are likely to be in a cache

// One input row from column `left` on (which may be in the padding), as [c][column of a tile][tile]; and the magnitudes of
// its pixels, as far as `width` columns.
template <class T>
inline void winograd_load_tiles(const ConvArgs<T>& a, T* line, int64_t pitch, Bits<T>* magnitudes, const T* x, int64_t row,
                                int64_t left, int64_t width) {
    constexpr int L = lanes<T>, m = 4;
    const typename MakeIndices<L>::type each{};
    const bool exists = row >= 0 && row < a.in.size[1];
    x += row * a.in.stride[1] + left;
    for (int64_t tile = 0; tile * m < width; tile += L) {
        const Range valid = exists ? inside(left + tile * m, 1, m * L, a.in.size[2]) : Range{0, 0};
        const bool whole = valid.count() == m * L;
        Mask<T> inside_of[m];
        if (!whole)
            for (int q = 0; q < m; ++q) inside_of[q] = lanes_between<T>(int(valid.begin) - q * L, int(valid.end) - q * L);
        BitsVec<T> most[m] = {};
        for (int64_t c = 0; c < a.group_in; ++c) {
            const T* from = x + c * a.in.c_stride + tile * m;
            Vec<T> pixels[m];
#pragma GCC unroll 4
            for (int q = 0; q < m; ++q) {
                pixels[q] = whole ? load(from + q * L) : load_masked(from + q * L, inside_of[q]);
                most[q] = larger(most[q], magnitude<T>(pixels[q]));
            }
            const Vec<T> even[] = {even_of(pixels[0], pixels[1], each), even_of(pixels[2], pixels[3], each)};
            const Vec<T> odd[] = {odd_of(pixels[0], pixels[1], each), odd_of(pixels[2], pixels[3], each)};
            T* to = line + c * m * pitch + tile;
            store(to, even_of(even[0], even[1], each));
            store(to + pitch, even_of(odd[0], odd[1], each));
            store(to + 2 * pitch, odd_of(even[0], even[1], each));
            store(to + 3 * pitch, odd_of(odd[0], odd[1], each));
        }
#pragma GCC unroll 4
        for (int q = 0; q < m; ++q) store(magnitudes + tile * m + q * L, most[q]);
    }
    // The last lane reads two columns of a tile that does not exist. They are thrown away, but what happens to lie in memory
    // may be denormal numbers, for which some processors take a hundred times as long.
    const int64_t loaded = parts_of(parts_of(width, m), L) * L;
    for (int64_t c = 0; c < a.group_in && loaded < pitch; ++c)
        for (int q = 0; q < 2; ++q) zero_run(line + (c * m + q) * pitch + loaded, min_of(L, pitch - loaded));
}

template <class T>
inline void winograd_input_pixel_lanes(const WinogradBlock<T, Winograd<4, 3>>& b) {
    constexpr int L = lanes<T>, m = 4;
    const ConvArgs<T>& a = b.a;
    const auto& buffers = b.buffers;
    const int64_t pitch = buffers.row_tiles + L;
    for (int64_t r = 0; r < b.rows; ++r) {
        const WinogradRow& row = b.row[r];
        const T* x = a.x + row.image * a.in.n_stride + b.group * a.group_in * a.in.c_stride;
        const T* line[m + 2];
        for (int64_t i = 0; i < m + 2; ++i) {
            T* at = b.at(buffers.in) + (row.first_line + i) % buffers.ring * buffers.line;
            line[i] = at;
            if (i >= row.shared)
                winograd_load_tiles(a, at, pitch, b.magnitudes.line(row.first_line + i), x, row.out_row + i - a.before[1],
                                    row.column - a.before[2], row.width + 2);
        }
        for (int64_t c = 0; c < a.group_in; ++c)
            for (int64_t tile = 0; tile < row.end - row.begin; tile += L) {
                const int64_t from = c * m * pitch + tile;
                const auto pixels = [&](int i, int j) { return load(line[i] + from + j % m * pitch + j / m); };
                T* v = b.at(buffers.v) + r * buffers.positions * buffers.v_position + c * buffers.row_tiles + tile;
                winograd_input<T, Winograd<m, 3>, false, false>(pixels, v, buffers.v_position);
            }
    }
}

// Sums of K channels and N vectors of tiles, their columns transformed back: [channel][vector][row of outputs][column of
// positions][tile]. Calls between(j) before column j of the positions.
template <class T, int K, int N, class Between>
[[gnu::noinline]] void winograd_channels(const T* v, int64_t v_position, int64_t v_channel, const T* u, int64_t channels,
                                         T* half, const Between& between) {
    constexpr int m = 4, alpha = m + 2, L = lanes<T>;
    for (int j = 0; j < alpha; ++j) {
        between(j);
        Vec<T> sum[alpha][K][N];
#pragma GCC unroll 6
        for (int i = 0; i < alpha; ++i)
#pragma GCC unroll 4
            for (int k = 0; k < K; ++k)
#pragma GCC unroll 4
                for (int n = 0; n < N; ++n) sum[i][k][n] = Vec<T>{};
        for (int64_t c = 0; c < channels; ++c)
#pragma GCC unroll 6
            for (int i = 0; i < alpha; ++i) {
                const T* values = v + (i * alpha + j) * v_position + c * v_channel;
                const T* weights = u + ((i * alpha + j) * channels + c) * K;
                Vec<T> tiles[N];
#pragma GCC unroll 4
                for (int n = 0; n < N; ++n) tiles[n] = held(load(values + n * L));
#pragma GCC unroll 4
                for (int k = 0; k < K; ++k) {
                    const Vec<T> weight = broadcast<T>(weights[k]);
#pragma GCC unroll 4
                    for (int n = 0; n < N; ++n) sum[i][k][n] = multiply_add<T>(weight, tiles[n], sum[i][k][n]);
                }
            }
#pragma GCC unroll 4
        for (int k = 0; k < K; ++k)
#pragma GCC unroll 4
            for (int n = 0; n < N; ++n) {
                Vec<T> y[m];
                Winograd<m, 3>::template output<T, false>(y, [&](int i) { return sum[i][k][n]; });
#pragma GCC unroll 4
                for (int i = 0; i < m; ++i) store(half + (((k * N + n) * m + i) * alpha + j) * L, y[i]);
            }
    }
}

// One row of outputs of N vectors of tiles, `pixels` of which exist.
template <class T, int N>
FASTCONV_INLINE void winograd_store_row(const Epilogue<T>& e, const T* half, Vec<T> bias, T* y, int64_t pixels) {
    constexpr int m = 4, alpha = m + 2, L = lanes<T>;
    const typename MakeIndices<L>::type each{};
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) {
        Vec<T> column[m], out[m];
        const T* from = half + n * m * alpha * L;
        Winograd<m, 3>::template output<T, false>(column, [&](int j) { return load(from + j * L); });
#pragma GCC unroll 4
        for (int j = 0; j < m; ++j) column[j] += bias;
        const Vec<T> even[] = {low_zipped(column[0], column[2], each), high_zipped(column[0], column[2], each)};
        const Vec<T> odd[] = {low_zipped(column[1], column[3], each), high_zipped(column[1], column[3], each)};
        out[0] = low_zipped(even[0], odd[0], each);
        out[1] = high_zipped(even[0], odd[0], each);
        out[2] = low_zipped(even[1], odd[1], each);
        out[3] = high_zipped(even[1], odd[1], each);
#pragma GCC unroll 4
        for (int q = 0; q < m; ++q) {
            const int64_t first = (n * m + q) * L;
            if (first >= pixels) continue;
            const Mask<T> exists = first_lanes<T>(clamp_lanes(pixels - first, L));
            if (const T* residual = residual_of(e, y)) out[q] += load_masked(residual + first, exists);
            if (e.activation == Activation::clamp) out[q] = at_most(at_least(out[q], broadcast(e.low)), broadcast(e.high));
            if (first + L <= pixels)
                store(y + first, out[q]);
            else
                store_masked(y + first, out[q], exists);
        }
    }
}

// Outputs of the channels k and k + 1 of a panel, as far as they exist, and W vectors of tiles from `tile` on.
template <class T, int W>
inline void winograd_tiles(const WinogradBlock<T, Winograd<4, 3>>& b, int64_t r, int64_t tile, const Panel& panel,
                           int64_t k) {
    constexpr int K = winograd_channels_at_once, L = lanes<T>, m = 4, alpha = m + 2;
    const ConvArgs<T>& a = b.a;
    const auto& buffers = b.buffers;
    const WinogradRow& row = b.row[r];
    T* half = b.at(buffers.out);
    const int64_t rows = min_of(m, a.out.size[1] - row.out_row), column = row.column + tile * m;
    const int64_t pixels = min_of(min_of(W * L, row.end - row.begin - tile) * m, a.out.size[2] - column);
    const int64_t first = b.group * a.group_out + panel.channel + k;
    T* y = a.y + row.image * a.out.n_stride + first * a.out.c_stride + row.out_row * a.out.stride[1] + column;
    // Stores wait for their lines, and all later ones for them. Where outputs are not in the cache, lines of the next
    // channels are asked for meanwhile, a few at a time: 3->64@224 with cold caches takes 0.93 ms instead of 1.27; but 0.72
    // instead of 0.67 with warm ones (AMD EPYC Zen 5, November 2026). Inlined for the same reason as prefetch_run.
    const bool ahead = a.batch * a.out.n_stride * int64_t(sizeof(T)) > winograd_near_output && k + 2 * K <= panel.channels;
    const auto expect = [&](int64_t i) __attribute__((always_inline)) {
        if (!ahead || i >= rows) return;
        for (int o = K; o < 2 * K; ++o) prefetch_run<1>(y + o * a.out.c_stride + i * a.out.stride[1], pixels);
    };
    winograd_channels<T, K, W>(b.at(buffers.v) + r * buffers.positions * buffers.v_position + tile, buffers.v_position,
                               buffers.row_tiles, a.weights + (panel.weights + k) * a.group_in * buffers.positions,
                               a.group_in, half, expect);
    for (int64_t o = 0; o < min_of(K, panel.channels - k); ++o) {
        const Vec<T> bias = a.epilogue.bias ? broadcast<T>(a.epilogue.bias[first + o]) : Vec<T>{};
        for (int64_t i = 0; i < rows; ++i) {
            T* to = y + o * a.out.c_stride + i * a.out.stride[1];
            winograd_store_row<T, W>(a.epilogue, half + (o * W * m + i) * alpha * L, bias, to, pixels);
            if (in_second_pass(a.epilogue.activation)) activate_rows(a.epilogue, to, 0, 1, pixels);
        }
    }
}

// All outputs of the panels first <= i < end.
template <class T>
inline void winograd_output_pixel_lanes(const WinogradBlock<T, Winograd<4, 3>>& b, int64_t first_panel, int64_t end_panel) {
    constexpr int N = winograd_vectors;
    constexpr int64_t L = lanes<T>;
    for (int64_t r = 0; r < b.rows; ++r) {
        const int64_t tiles = b.row[r].end - b.row[r].begin;
        for (int64_t tile = 0; tile < tiles; tile += N * L)
            for (int64_t p = first_panel; p < end_panel; ++p) {
                const Panel panel = panel_of(b.a, b.group, p);
                for (int64_t k = 0; k < panel.channels; k += winograd_channels_at_once)
                    if (tile + (N - 1) * L < tiles)
                        winograd_tiles<T, N>(b, r, tile, panel, k);
                    else
                        winograd_tiles<T, 1>(b, r, tile, panel, k);
            }
    }
}

}  // namespace
}  // namespace fastconv
