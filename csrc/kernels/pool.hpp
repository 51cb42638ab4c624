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

namespace fastconv {
namespace {

template <class T>
struct Maximum {
    static Vec<T> identity() { return broadcast<T>(T(-__builtin_inf())); }
    template <class V>
    static V combine(V a, V b) {
        return (b > a) | (b != b) ? b : a;  // a NaN in a stays, since no b is greater
    }
};
template <class T>
struct Sum {
    static Vec<T> identity() { return Vec<T>{}; }
    template <class V>
    static V combine(V a, V b) {
        return a + b;
    }
};

template <class T>
int64_t pool_workspace(const PoolArgs<T>& a) {
    return a.channels_first && !a.with_indices ? (a.in.size[2] + lanes<T>) * int64_t(sizeof(T)) : 0;
}

template <class T>
inline T pool_divisor(const PoolArgs<T>& a, int64_t od, int64_t oh, int64_t ow) {
    if (a.kind == PoolKind::maximum) return T(1);
    if (a.fixed_divisor) return T(a.fixed_divisor);
    return T(a.axis[0].divisor[od] * a.axis[1].divisor[oh] * a.axis[2].divisor[ow]);
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
    for (int64_t w = 0; w < a.in.size[2]; w += L) {
        const int count = clamp_lanes(a.in.size[2] - w, L);
        Vec<T> v = Op::identity();
        for_each_row(a, od, oh, [&](int64_t row) {
            const T* from = x + row + w;
            v = Op::combine(v, count == L ? load(from) : load_partial(from, count));
        });
        store(line + w, v);
    }
    const PoolAxis& axis = a.axis[2];
    const bool divides = a.kind == PoolKind::average;
    for (int64_t ow = 0; ow < a.out.size[2]; ++ow) {
        const T* from = line + axis.first[ow];
        T result = Op::identity()[0];
        for (int64_t t = 0; t < axis.taps[ow]; ++t) result = Op::combine(result, from[t * axis.dilation]);
        y[ow] = divides ? result / pool_divisor(a, od, oh, ow) : result;
    }
}

template <class T, class Op>
inline void pool_row_channels_last(const PoolArgs<T>& a, const T* x, T* y, int64_t od, int64_t oh) {
    constexpr int L = lanes<T>;
    const PoolAxis& axis = a.axis[2];
    for (int64_t ow = 0; ow < a.out.size[2]; ++ow) {
        const Vec<T> divisor = broadcast<T>(pool_divisor(a, od, oh, ow));
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
    const int64_t first = task % a.row_blocks * a.row_block;
    const int64_t last = min_of(a.out.size[0] * a.out.size[1], first + a.row_block);
    const int64_t planes = a.channels_first ? a.channels : 1, plane = task / a.row_blocks;
    const int64_t n = plane / planes, c = plane % planes;
    const T* x = a.x + n * a.in.n_stride + c * a.in.c_stride;
    for (int64_t row = first; row < last; ++row) {
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
