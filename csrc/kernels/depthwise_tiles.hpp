// What depthwise tiles are cut from: outputs along an axis, blocks of rows and columns, slices of the kernel.
#pragma once

#include "epilogue.hpp"
#include "grid.hpp"
#include "stencil.hpp"

namespace fastconv {
namespace {

// Small planes take turns under each tile, so that what depends on the shape alone is found once for many of them; large
// ones come one group after the other, for memory is read best from front to back. Weights of channels in lanes stay in the
// first-level cache from row to row.
constexpr int64_t depthwise_near_bytes = 16 << 10;

// With channels in lanes a tile is one vector wide, so it takes more pixels to hide the latency of a multiply-add.
constexpr int stencil_pixels = vector_registers >= 32 ? 14 : 8;

// How far apart outputs of an axis lie whose first inputs lie `shared` dilations apart, so that tiles can share them; more
// than the axis is long if none do and a tile is one output. Short kernels share nothing and take neighbours.
inline int64_t tile_step(int64_t shared, int64_t stride, int64_t dilation, int64_t kernel) {
    if (kernel <= shared || shared == 0) return 1;
    if (shared * dilation % stride != 0) return std::numeric_limits<int64_t>::max();
    return shared * dilation / stride;
}

// Calls f(Constant<R>) for the rows, no more than `most`, of the next tile where so many are left.
template <int most, class F>
FASTCONV_INLINE void with_tile_rows(int64_t left, const F& f) {
    if constexpr (most >= 14)
        if (left >= 14 && left != 16) return f(Constant<14>{});  // 16 are better two eights
    if constexpr (most >= 8) {
        if (left >= 8 && (left % 8 == 0 || left % 7 != 0)) return f(Constant<8>{});
        if (left >= 7) return f(Constant<7>{});
    }
    if constexpr (most >= 4)
        if (left >= 4) return f(Constant<4>{});
    if constexpr (most >= 2)
        if (left >= 2) return f(Constant<2>{});
    f(Constant<1>{});
}

// Calls f(Constant<R>, first) for tiles of the outputs first, first + step, ...
template <int most, class F>
FASTCONV_INLINE void for_each_tile(Range outputs, int64_t step, const F& f) {
    step = min_of(step, max_of(outputs.count(), 1));
    for (int64_t phase = 0; phase < step; ++phase)
        for (int64_t first = outputs.begin + phase; first < outputs.end;) {
            const int64_t span = outputs.end - first - 1, left = (step == 1 ? span : span / step) + 1;
            with_tile_rows<most>(left, [&](auto r) {
                f(r, first);
                first += r.value * step;
            });
        }
}

// Blocks of rows times blocks of columns.
struct DepthwiseBlock {
    Range rows, columns;
};
template <class T>
inline DepthwiseBlock depthwise_block(const ConvArgs<T>& a, int64_t pixel_block) {
    const int64_t rows = a.out.size[0] * a.out.size[1], row_blocks = a.pixel_blocks / a.column_blocks;
    return {block_of(rows, 1, row_blocks, pixel_block / a.column_blocks),
            block_of(a.out.size[2], a.column_unit, a.column_blocks, pixel_block % a.column_blocks)};
}

// Calls f(od, range of oh) for the slices of a range of rows.
template <class T, class F>
inline void for_each_slice(const ConvArgs<T>& a, Range rows, const F& f) {
    for (int64_t row = rows.begin; row < rows.end;) {
        const int64_t od = row / a.out.size[1], first = od * a.out.size[1], end = min_of(rows.end, first + a.out.size[1]);
        f(od, Range{row - first, end - first});
        row = end;
    }
}

// What the kernel sees under the outputs first, first + step, ... of an axis: f(i, position) for tap h of output r, i as the
// stencil wants it.
template <int R, int S, class T, class F>
FASTCONV_INLINE void for_each_position(const ConvArgs<T>& a, int axis, int64_t first, int64_t step, const F& f) {
    const int64_t origin = first * a.step[axis] - a.before[axis], kernel = a.kernel[axis], tap = a.dilation[axis];
    if (S > 0 && kernel > S) {
        for (int64_t i = 0; i < S * (R - 1) + kernel; ++i) f(i, origin + i * tap);
    } else {
        for (int64_t r = 0; r < R; ++r)
            for (int64_t h = 0; h < kernel; ++h)
                f(S > 0 ? r * S + h : h * R + r, origin + r * step * a.step[axis] + h * tap);
    }
}

template <class T>
int64_t depthwise_positions(const ConvArgs<T>& a, int axis, int shared) {
    const int64_t tile = max_of(stencil_rows, stencil_pixels);
    const int64_t positions = max_of(shared * (tile - 1) + a.kernel[axis], tile * a.kernel[axis]);
    return (positions * int64_t(sizeof(const T*)) + vector_bytes - 1) / vector_bytes * vector_bytes;
}

}  // namespace
}  // namespace fastconv
