// Maximum and average over windows, which are data: for each axis a table of where each window begins and how many of
// its taps lie inside the input. Strided, dilated, padded, ceil-mode and adaptive pooling are the same loop.
//
//     maximum: y[o] = max x[first(o) + t * dilation], NaN if any is      average: y[o] = sum / divisor(o)
//
// Channels first: the rows of a window are reduced into one line, vectors along the row; then the line is reduced.
//     Task: image, channel, block of output rows. Workspace: the line.
// Channels last: vectors along the channels. Task: image, block of output rows.
// With indices: plain loops; the first maximum counts, a NaN is the maximum, its index that of the first NaN.
#pragma once

#include "epilogue.hpp"
#include "grid.hpp"
#include "window.hpp"

namespace fastconv {
namespace {

// Channels first: the line holds one reduced row of the input with its padding, then the divisors of the outputs in it.
template <class T>
struct PoolLine {
    int64_t before, line, total;

    explicit PoolLine(const PoolArgs<T>& a) {
        const PoolAxis& axis = a.axis[2];
        // The last window may reach beyond the input, and the idle lanes of the last vector beyond that.
        const int64_t end = (a.out.size[2] - 1) * axis.stride + (axis.window - 1) * axis.dilation + 1 + 2 * lanes<T>;
        before = axis.before;
        line = max_of(before + a.in.size[2] + lanes<T>, end);
        total = line + a.out.size[2] + lanes<T>;
    }
};

template <class T>
int64_t pool_workspace(const PoolArgs<T>& a) {
    return a.channels_first && !a.with_indices ? PoolLine<T>(a).total * int64_t(sizeof(T)) : 0;
}

// What the sums of a row of windows are divided by, but for the factor of the other axes.
template <class T>
inline void pool_prepare_line(const PoolArgs<T>& a, T* line) {
    const PoolLine<T> layout(a);
    const T identity = a.kind == PoolKind::maximum ? Maximum<T>::identity()[0] : T(0);
    for (int64_t i = 0; i < layout.line; ++i) line[i] = identity;
    for (int64_t i = 0; i < a.out.size[2]; ++i) line[layout.line + i] = T(a.axis[2].divisor[i]);
}

template <class T>
inline T pool_divisor(const PoolArgs<T>& a, int64_t od, int64_t oh) {
    return T(a.axis[0].divisor[od] * a.axis[1].divisor[oh]);
}

// from[0], from[stride], ...: the same tap of `count` neighbouring windows.
template <class T>
inline Vec<T> load_strided(const T* from, int64_t stride, int count) {
    if (stride == 1) return load(from);
    if (stride == 2) return load_step<2>(from);
    Vec<T> v{};
    for (int i = 0; i < count; ++i) v[i] = from[i * stride];
    return v;
}

// Calls f(offset of the row in the input) for every input row under output row (od, oh).
template <class T, class F>
inline void for_each_row(const PoolArgs<T>& a, int64_t od, int64_t oh, const F& f) {
    for (int64_t d = 0; d < a.axis[0].taps[od]; ++d)
        for (int64_t h = 0; h < a.axis[1].taps[oh]; ++h)
            f((a.axis[0].first[od] + d * a.axis[0].dilation) * a.in.stride[0] +
              (a.axis[1].first[oh] + h * a.axis[1].dilation) * a.in.stride[1]);
}

template <class T, class Op>
inline void pool_row_channels_first(const PoolArgs<T>& a, T* line, const T* x, T* y, int64_t od, int64_t oh) {
    constexpr int L = lanes<T>;
    const PoolLine<T> layout(a);
    const PoolAxis& axis = a.axis[2];
    T* reduced = line + layout.before;
    for (int64_t w = 0; w < a.in.size[2]; w += L) {
        const int count = clamp_lanes(a.in.size[2] - w, L);
        Vec<T> v = Op::identity();
        for_each_row(a, od, oh, [&](int64_t row) {
            const T* from = x + row + w;
            v = Op::combine(v, count == L ? load(from) : load_partial(from, count));
        });
        if (count == L)
            store(reduced + w, v);
        else
            store_partial(reduced + w, v, count);  // the padding behind stays
    }
    const T divisor = a.fixed_divisor ? T(a.fixed_divisor) : a.kind == PoolKind::average ? pool_divisor(a, od, oh) : T(1);
    for (int64_t ow = 0; ow < a.out.size[2]; ow += L) {
        const int count = clamp_lanes(a.out.size[2] - ow, L);
        Vec<T> v = Op::identity();
        if (axis.stride)
            for (int64_t t = 0; t < axis.window; ++t)
                v = Op::combine(v, load_strided(line + ow * axis.stride + t * axis.dilation, axis.stride, count));
        else
            for (int i = 0; i < count; ++i)
                for (int64_t t = 0; t < axis.taps[ow + i]; ++t) 
                    v[i] = Op::combine(v, broadcast(reduced[axis.first[ow + i] + t]))[i];
        if (a.kind == PoolKind::average) {
            const Vec<T> by = broadcast(divisor);
            v = v / (a.fixed_divisor ? by : by * load_partial(line + layout.line + ow, count));
        }
        if (count == L)
            store(y + ow, v);
        else
            store_partial(y + ow, v, count);
    }
}

template <class T, class Op>
inline void pool_row_channels_last(const PoolArgs<T>& a, const T* x, T* y, int64_t od, int64_t oh) {
    constexpr int L = lanes<T>;
    const PoolAxis& axis = a.axis[2];
    for (int64_t ow = 0; ow < a.out.size[2]; ++ow) {
        const Vec<T> divisor =
            broadcast<T>(a.fixed_divisor ? T(a.fixed_divisor) : pool_divisor(a, od, oh) * T(axis.divisor[ow]));
        for (int64_t c = 0; c < a.channels; c += L) {
            const int count = clamp_lanes(a.channels - c, L);
            Vec<T> v = Op::identity();
            for_each_row(a, od, oh, [&](int64_t row) {
                for (int64_t t = 0; t < axis.taps[ow]; ++t) {
                    const T* from = x + row + (axis.first[ow] + t * axis.dilation) * a.in.stride[2] + c;
                    v = Op::combine(v, count == L ? load(from) : load_partial(from, count));
                }
            });
            store_partial(y + ow * a.out.stride[2] + c, a.kind == PoolKind::average ? v / divisor : v, count);
        }
    }
}

// One output of one channel, with the flat index of its maximum in the input volume; -1 if no tap is inside.
template <class T>
inline int64_t pool_index(const PoolArgs<T>& a, const T* x, int64_t od, int64_t oh, int64_t ow, T& best) {
    int64_t index = -1;
    best = T(-__builtin_inf());
    for (int64_t d = 0; d < a.axis[0].taps[od]; ++d)
        for (int64_t h = 0; h < a.axis[1].taps[oh]; ++h)
            for (int64_t w = 0; w < a.axis[2].taps[ow]; ++w) {
                const int64_t id = a.axis[0].first[od] + d * a.axis[0].dilation;
                const int64_t ih = a.axis[1].first[oh] + h * a.axis[1].dilation;
                const int64_t iw = a.axis[2].first[ow] + w * a.axis[2].dilation;
                const T value = x[id * a.in.stride[0] + ih * a.in.stride[1] + iw * a.in.stride[2]];
                if (index < 0 || value > best || (value != value && best == best)) {
                    best = value;
                    index = (id * a.in.size[1] + ih) * a.in.size[2] + iw;
                }
            }
    return index;
}

template <class T>
inline void pool_row_indices(const PoolArgs<T>& a, const T* x, T* y, int64_t* indices, int64_t channels, int64_t od,
                             int64_t oh) {
    for (int64_t ow = 0; ow < a.out.size[2]; ++ow)
        for (int64_t c = 0; c < channels; ++c) {
            const int64_t to = ow * a.out.stride[2] + c * a.out.c_stride;
            indices[to] = pool_index(a, x + c * a.in.c_stride, od, oh, ow, y[to]);
        }
}

template <class T>
void pool(const PoolArgs<T>& a, int64_t task, void* workspace) {
    const Range rows = block_of(a.out.size[0] * a.out.size[1], 1, a.row_blocks, task % a.row_blocks);
    const int64_t planes = a.channels_first ? a.channels : 1, plane = task / a.row_blocks;
    const int64_t n = plane / planes, c = plane % planes;
    const T* x = a.x + n * a.in.n_stride + c * a.in.c_stride;
    if (a.channels_first && !a.with_indices) pool_prepare_line(a, static_cast<T*>(workspace));
    for (int64_t row = rows.begin; row < rows.end; ++row) {
        const int64_t od = row / a.out.size[1], oh = row % a.out.size[1];
        const int64_t to = n * a.out.n_stride + c * a.out.c_stride + od * a.out.stride[0] + oh * a.out.stride[1];
        const bool maximum = a.kind == PoolKind::maximum;
        if (a.with_indices)
            pool_row_indices(a, x, a.y + to, a.indices + to, a.channels_first ? 1 : a.channels, od, oh);
        else if (!a.channels_first)
            maximum ? pool_row_channels_last<T, Maximum<T>>(a, x, a.y + to, od, oh)
                    : pool_row_channels_last<T, Sum<T>>(a, x, a.y + to, od, oh);
        else
            maximum ? pool_row_channels_first<T, Maximum<T>>(a, static_cast<T*>(workspace), x, a.y + to, od, oh)
                    : pool_row_channels_first<T, Sum<T>>(a, static_cast<T*>(workspace), x, a.y + to, od, oh);
    }
}

}  // namespace
}  // namespace fastconv
