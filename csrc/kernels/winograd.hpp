// Winograd's minimal filtering F(m x m, 3x3), m = 2 or 4 (A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural
// Networks, 2016), for 3x3 kernels with stride and dilation 1:
//
//     Y = A^T [ sum_c (G g_c G^T) .* (B^T d_c B) ] A       for each tile of (m + 2) x (m + 2) input pixels
//
// F(2x2) interpolates at 0, +-1, infinity; F(4x4) at 0, +-sqrt(1/2), +-sqrt(2), infinity, whose coefficients are the
// smallest of the cheap choices: a relative error of 1.5e-6 at 256 channels in float32 where +-1, +-2 gives 3.2e-6.
//
// Channels in lanes throughout. Loops: task (group, panels of output channels, image, block of tiles) -> transform all
// input channels of the block -> panel { position xi: multiply -> inverse transform -> store }, so that what is
// transformed stays in second-level cache.
// Packed weights: U [group][panel][xi][c][panel width], transformed in float64.
// Workspace: V [xi][tile][c], M [xi][tile][panel width], and lines of pixels [row][pixel][lane] on the way in and out.
#pragma once

#include "copy.hpp"
#include "gemm.hpp"

namespace fastconv {
namespace {

template <int m>
struct Winograd;

template <>
struct Winograd<2> {
    // out = B^T in, over vectors `step` apart
    template <class V>
    static void input(V* out, const V* in, int step) {
        const V d0 = in[0], d1 = in[step], d2 = in[2 * step], d3 = in[3 * step];
        out[0] = d0 - d2;
        out[step] = d1 + d2;
        out[2 * step] = d2 - d1;
        out[3 * step] = d1 - d3;
    }
    // out = A^T in
    template <class V>
    static void output(V* out, int out_step, const V* in, int step) {
        const V sum = in[step] + in[2 * step], difference = in[step] - in[2 * step];
        out[0] = in[0] + sum;
        out[out_step] = difference - in[3 * step];
    }
};

template <>
struct Winograd<4> {
    template <class V>
    static void input(V* out, const V* in, int step) {
        using T = decltype(in[0][0] + in[0][0]);
        constexpr T root_half = T(0.70710678118654752440), root_two = T(1.41421356237309504880);
        const V d0 = in[0], d1 = in[step], d2 = in[2 * step], d3 = in[3 * step], d4 = in[4 * step], d5 = in[5 * step];
        const V even1 = d4 - d2 * T(2), odd1 = d3 * root_half - d1 * root_two;
        const V even2 = d4 - d2 * T(0.5), odd2 = d3 * root_two - d1 * root_half;
        out[0] = (d0 - d2 * T(2.5)) + d4;
        out[step] = even1 + odd1;
        out[2 * step] = even1 - odd1;
        out[3 * step] = even2 + odd2;
        out[4 * step] = even2 - odd2;
        out[5 * step] = (d1 - d3 * T(2.5)) + d5;
    }
    template <class V>
    static void output(V* out, int out_step, const V* in, int step) {
        using T = decltype(in[0][0] + in[0][0]);
        constexpr T root_half = T(0.70710678118654752440), root_two = T(1.41421356237309504880);
        const V sum1 = in[step] + in[2 * step], difference1 = in[step] - in[2 * step];
        const V sum2 = in[3 * step] + in[4 * step], difference2 = in[3 * step] - in[4 * step];
        out[0] = in[0] + sum1 + sum2;
        out[out_step] = difference1 * root_half + difference2 * root_two;
        out[2 * out_step] = sum1 * T(0.5) + sum2 * T(2);
        out[3 * out_step] = difference1 * (root_half / T(2)) + difference2 * (root_two * T(2)) + in[5 * step];
    }
};

// Where things lie in the workspace, in elements.
template <class T, int m>
struct WinogradBuffers {
    static constexpr int alpha = m + 2, positions = alpha * alpha;
    int64_t channels, v_position, m_position, line_in, line_out, v, sums, in, out, total;

    explicit WinogradBuffers(const ConvArgs<T>& a) {
        const auto up = [](int64_t x) { return (x + lanes<T> - 1) / lanes<T> * lanes<T>; };
        const int64_t tiles_wide = min_of(a.pixel_block, parts_of(a.out.size[2], m));
        channels = up(a.group_in);
        // Positions lie an odd number of lines apart, or the stores of one tile would compete for one cache set.
        v_position = a.pixel_block * channels + lanes<T>;
        m_position = a.pixel_block * widest_panel(a) + lanes<T>;
        line_in = up(tiles_wide * m + 2) * lanes<T>;
        line_out = up(tiles_wide * m) * widest_panel(a);
        v = 0;
        sums = v + positions * v_position;
        in = sums + positions * m_position;
        out = in + alpha * line_in;
        total = out + m * line_out;
    }
};

template <class T, int m>
int64_t winograd_workspace(const ConvArgs<T>& a) {
    return WinogradBuffers<T, m>(a).total * int64_t(sizeof(T));
}

// One input row of `lanes` channels, from column `left` (which may be in the padding), as [pixel][lane].
template <class T>
inline void winograd_load_line(const ConvArgs<T>& a, T* line, const T* x, int64_t channels, int64_t row, int64_t left,
                               int64_t width) {
    constexpr int L = lanes<T>;
    const int64_t end = (width + L - 1) / L * L;
    zero_run(line, end * L);
    if (row < 0 || row >= a.in.size[1]) return;
    const Range valid = inside(left, 1, width, a.in.size[2]);
    x += row * a.in.stride[1] + left * a.in.stride[2];
    if (!a.channels_first) {
        for (int64_t i = valid.begin; i < valid.end; ++i) {
            const T* from = x + i * a.in.stride[2];
            store(line + i * L, channels >= L ? load(from) : load_partial(from, int(channels)));
        }
        return;
    }
    const int used = clamp_lanes(channels, L);
    for (int64_t i = valid.begin; i < valid.end; i += L) {
        const int count = clamp_lanes(valid.end - i, L);
        Vec<T> block[L];
        for (int c = 0; c < L; ++c) block[c] = Vec<T>{};
        for (int c = 0; c < used; ++c) {
            const T* from = x + c * a.in.c_stride + i;
            block[c] = count == L ? load(from) : load_partial(from, count);
        }
        transpose<T>(block);
        for (int p = 0; p < count; ++p) store(line + (i + p) * L, block[p]);
    }
}

// V for one row of tiles: `tiles` of them from column `tile` on, the first being number `slot` of the block.
template <class T, int m>
inline void winograd_transform_input(const ConvArgs<T>& a, const WinogradBuffers<T, m>& buffer, T* workspace, const T* x,
                                     int64_t tile_row, int64_t tile, int64_t tiles, int64_t slot) {
    constexpr int alpha = m + 2, L = lanes<T>;
    T* lines = workspace + buffer.in;
    for (int64_t c = 0; c < a.group_in; c += L) {
        for (int r = 0; r < alpha; ++r)
            winograd_load_line(a, lines + r * buffer.line_in, x + c * a.in.c_stride, a.group_in - c,
                               tile_row * m + r - a.before[1], tile * m - a.before[2], tiles * m + 2);
        for (int64_t t = 0; t < tiles; ++t) {
            Vec<T> d[alpha * alpha];
            for (int j = 0; j < alpha; ++j) {
#pragma GCC unroll 6
                for (int i = 0; i < alpha; ++i) d[i * alpha + j] = load(lines + i * buffer.line_in + (t * m + j) * L);
                Winograd<m>::input(d + j, d + j, alpha);
            }
            T* to = workspace + buffer.v + (slot + t) * buffer.channels + c;
            for (int i = 0; i < alpha; ++i) {
                Winograd<m>::input(d + i * alpha, d + i * alpha, 1);
#pragma GCC unroll 6
                for (int j = 0; j < alpha; ++j) store(to + (i * alpha + j) * buffer.v_position, d[i * alpha + j]);
            }
        }
    }
}

template <class T, int m>
inline void winograd_multiply(const ConvArgs<T>& a, const WinogradBuffers<T, m>& buffer, T* workspace, const T* weights,
                              const Panel& panel, int64_t tiles) {
    const int64_t parts = parts_of(tiles, panel_rows(panel.width / lanes<T>));
    for (int xi = 0; xi < buffer.positions; ++xi) {
        const Columns<T> columns{weights + xi * a.group_in * panel.width, panel.width};
        T* sums = workspace + buffer.sums + xi * buffer.m_position;
        for (int64_t part = 0; part < parts; ++part) {
            const int64_t t = part_begin(tiles, parts, part), count = part_begin(tiles, parts, part + 1) - t;
            const DenseRows<T> rows{workspace + buffer.v + xi * buffer.v_position + t * buffer.channels, buffer.channels};
            with_vectors<T>(panel.width, [&](auto v) {
                with_constant<rows_of(v.value)>(int(count), [&](auto n) {
                    Tile<T, n.value, v.value> tile;
                    tile.begin_rows(nullptr);
                    tile.add(rows, columns, a.group_in);
                    tile.store_to(sums + t * panel.width, panel.width);
                });
            });
        }
    }
}

// Inverse transform and store of one row of tiles, for one panel of output channels.
template <class T, int m>
inline void winograd_transform_output(const ConvArgs<T>& a, const WinogradBuffers<T, m>& buffer, T* workspace, T* y,
                                      int64_t group, const Panel& panel, int64_t tile_row, int64_t tile, int64_t tiles,
                                      int64_t slot) {
    constexpr int alpha = m + 2;
    const int64_t channel = group * a.group_out + panel.channel;
    T* lines = workspace + buffer.out;
    for (int64_t t = 0; t < tiles; ++t)
        for (int64_t c = 0; c < panel.channels; c += lanes<T>) {
            const T* from = workspace + buffer.sums + (slot + t) * panel.width + c;
            const T* bias = bias_of(a.epilogue, channel + c);
            const Vec<T> start = bias ? load_partial(bias, clamp_lanes(panel.channels - c, lanes<T>)) : Vec<T>{};
            Vec<T> half[m * alpha];  // A^T M
            for (int j = 0; j < alpha; ++j) {
                Vec<T> column[alpha];
#pragma GCC unroll 6
                for (int i = 0; i < alpha; ++i) column[i] = load(from + (i * alpha + j) * buffer.m_position);
                Winograd<m>::output(half + j, alpha, column, 1);
            }
            for (int i = 0; i < m; ++i) {
                Vec<T> row[m];
                Winograd<m>::output(row, 1, half + i * alpha, 1);
#pragma GCC unroll 4
                for (int j = 0; j < m; ++j)
                    store(lines + i * buffer.line_out + (t * m + j) * panel.width + c, row[j] + start);
            }
        }
    const int64_t ow = tile * m, width = min_of(tiles * m, a.out.size[2] - ow);
    for (int64_t i = 0; i < min_of(m, a.out.size[1] - tile_row * m); ++i)
        finish_pixels(a.epilogue, lines + i * buffer.line_out, panel.width, width, panel.channels,
                      y + channel * a.out.c_stride + (tile_row * m + i) * a.out.stride[1] + ow * a.out.stride[2],
                      a.out.c_stride, a.out.stride[2]);
}

template <class T, int m>
void winograd(const ConvArgs<T>& a, int64_t task, void* memory) {
    const Cell at = cell_of(a, task);
    const WinogradBuffers<T, m> buffer(a);
    T* workspace = static_cast<T*>(memory);
    const T* x = a.x + at.n * a.in.n_stride + at.group * a.group_in * a.in.c_stride;
    T* y = a.y + at.n * a.out.n_stride;

    const int64_t wide = parts_of(a.out.size[2], m), all = wide * parts_of(a.out.size[1], m);
    const Range block = block_of(all, 1, a.pixel_blocks, at.pixel_block);
    const auto for_each_row = [&](const auto& f) {  // f(row of tiles, first tile in it, tiles, slot in the block)
        for (int64_t t = block.begin; t < block.end;) {
            const int64_t count = min_of(block.end - t, wide - t % wide);
            f(t / wide, t % wide, count, t - block.begin);
            t += count;
        }
    };

    for_each_row([&](int64_t row, int64_t tile, int64_t tiles, int64_t slot) {
        winograd_transform_input<T, m>(a, buffer, workspace, x, row, tile, tiles, slot);
    });
    const int64_t last_panel = part_begin(a.panels, a.channel_blocks, at.channel_block + 1);
    for (int64_t i = part_begin(a.panels, a.channel_blocks, at.channel_block); i < last_panel; ++i) {
        const Panel panel = panel_of(a, at.group, i);
        winograd_multiply<T, m>(a, buffer, workspace, a.weights + panel.weights * a.group_in * buffer.positions, panel,
                                block.count());
        for_each_row([&](int64_t row, int64_t tile, int64_t tiles, int64_t slot) {
            winograd_transform_output<T, m>(a, buffer, workspace, y, at.group, panel, row, tile, tiles, slot);
        });
    }
}

}  // namespace
}  // namespace fastconv
