// Unfold, which copies windows into columns, and fold, which adds columns back into an image.
//
//     unfold: columns[tap, o] = image[o * step + tap * dilation - before], zero in the padding
//     fold:   image[i] = sum over tap and o with o * step + tap * dilation - before = i of columns[tap, o]
//
// Channels first, a row of windows is a row of the image, every step-th element of it, for each tap. Channels last, a row of
// a window is a run of pixels. Unfold clears what is padding and copies the rest by vectors. In fold each row of the image
// takes what belongs to it, the taps in ascending order (channels last: for each window in a row of them).
//
//     Task of unfold: plane and tap (channels first), image and block of rows of windows (channels last).
//     Task of fold: plane, block of rows.
#pragma once

#include "copy.hpp"
#include "grid.hpp"
#include "window_args.hpp"

namespace fastconv {
namespace {

// to[i * step] += from[i]
template <class T>
inline void add_run(T* to, const T* from, int64_t count, int64_t step) {
    if (step == 1)
        each_vector<T>(count, [&](int64_t i, auto exists) {
            store_masked(to + i, load_masked(to + i, exists) + load_masked(from + i, exists), exists);
        });
    else
        for (int64_t i = 0; i < count; ++i) to[i * step] += from[i];
}

// Along the width: the windows of which tap `kw` is inside the image, the taps of window `ow` that are, and where they are.
template <class T>
inline Range windows_inside(const ColumnArgs<T>& a, int64_t kw) {
    return inside(kw * a.dilation[2] - a.before[2], a.step[2], a.windows[2], a.image.size[2]);
}
template <class T>
inline Range taps_inside(const ColumnArgs<T>& a, int64_t ow) {
    return inside(ow * a.step[2] - a.before[2], a.dilation[2], a.kernel[2], a.image.size[2]);
}
template <class T>
inline int64_t position(const ColumnArgs<T>& a, int axis, int64_t o, int64_t tap) {
    return o * a.step[axis] + tap * a.dilation[axis] - a.before[axis];
}

// ---------------------------------------------------------------- unfold

// Where the row of the image begins that tap (kd, kh) of a row of windows sees, or -1.
template <class T>
inline int64_t row_seen(const ColumnArgs<T>& a, int64_t window_row, int64_t kd, int64_t kh) {
    const int64_t d = position(a, 0, window_row / a.windows[1], kd), h = position(a, 1, window_row % a.windows[1], kh);
    if (d < 0 || d >= a.image.size[0] || h < 0 || h >= a.image.size[1]) return -1;
    return (d * a.image.size[1] + h) * a.image.row();
}

template <class T>
inline void unfold_tap(const ColumnArgs<T>& a, int64_t task) {
    const int64_t tap = task % a.taps(), plane = task / a.taps(), width = a.windows[2];
    const int64_t kw = tap % a.kernel[2], kh = tap / a.kernel[2] % a.kernel[1], kd = tap / a.kernel[2] / a.kernel[1];
    const T* image = a.from + plane * a.image.elements();
    T* to = a.to + task * a.window_rows() * width;
    const Range seen = windows_inside(a, kw);
    for (int64_t row = 0; row < a.window_rows(); ++row, to += width) {
        const int64_t at = row_seen(a, row, kd, kh);
        if (at < 0) {
            zero_run(to, width);
            continue;
        }
        zero_run(to, seen.begin);
        copy_run(to + seen.begin, image + at + position(a, 2, seen.begin, kw), seen.count(), a.step[2]);
        zero_run(to + seen.end, width - seen.end);
    }
}

template <class T>
inline void unfold_rows(const ColumnArgs<T>& a, int64_t task) {
    const int64_t inner = a.image.inner, n = task / a.row_blocks, taps = a.kernel[2];
    const Range rows = block_of(a.window_rows(), 1, a.row_blocks, task % a.row_blocks);
    const T* image = a.from + n * a.image.elements();
    T* to = a.to + (n * a.window_rows() + rows.begin) * a.windows[2] * a.taps() * inner;
    for (int64_t row = rows.begin; row < rows.end; ++row)
        for (int64_t ow = 0; ow < a.windows[2]; ++ow) {
            const Range seen = taps_inside(a, ow);
            for (int64_t k = 0; k < a.kernel[0] * a.kernel[1]; ++k, to += taps * inner) {
                const int64_t at = row_seen(a, row, k / a.kernel[1], k % a.kernel[1]);
                if (at < 0) {
                    zero_run(to, taps * inner);
                    continue;
                }
                zero_run(to, seen.begin * inner);
                const T* from = image + at + position(a, 2, ow, seen.begin) * inner;
                if (a.dilation[2] == 1)
                    copy_run(to + seen.begin * inner, from, seen.count() * inner, 1);
                else
                    for (int64_t t = seen.begin; t < seen.end; ++t, from += a.dilation[2] * inner)
                        copy_run(to + t * inner, from, inner, 1);
                zero_run(to + seen.end * inner, (taps - seen.end) * inner);
            }
        }
}

template <class T>
void unfold(const ColumnArgs<T>& a, int64_t task) {
    a.channels_first ? unfold_tap(a, task) : unfold_rows(a, task);
}

// ---------------------------------------------------------------- fold

// The window of which `tap` lies at position i of an axis, or -1.
template <class T>
inline int64_t window_at(const ColumnArgs<T>& a, int axis, int64_t i, int64_t tap) {
    const int64_t begin = i + a.before[axis] - tap * a.dilation[axis];
    if (begin < 0 || begin % a.step[axis] != 0 || begin / a.step[axis] >= a.windows[axis]) return -1;
    return begin / a.step[axis];
}

// Adds the windows of a row of them that see a row of the image by tap (kd, kh), which is number `k` of the kernel's rows.
template <class T>
inline void fold_row(const ColumnArgs<T>& a, T* to, const T* columns, int64_t window_row, int64_t k) {
    const int64_t inner = a.image.inner, taps = a.kernel[2], width = a.windows[2];
    if (a.channels_first) {
        for (int64_t kw = 0; kw < taps; ++kw) {
            const Range seen = windows_inside(a, kw);
            const T* from = columns + ((k * taps + kw) * a.window_rows() + window_row) * width;
            if (seen.count() > 0) add_run(to + position(a, 2, seen.begin, kw), from + seen.begin, seen.count(), a.step[2]);
        }
        return;
    }
    for (int64_t ow = 0; ow < width; ++ow) {
        const Range seen = taps_inside(a, ow);
        const T* from = columns + ((window_row * width + ow) * a.taps() + k * taps + seen.begin) * inner;
        T* at = to + position(a, 2, ow, seen.begin) * inner;
        if (a.dilation[2] == 1)
            add_run(at, from, seen.count() * inner, 1);
        else
            for (int64_t t = 0; t < seen.count(); ++t) add_run(at + t * a.dilation[2] * inner, from + t * inner, inner, 1);
    }
}

template <class T>
void fold(const ColumnArgs<T>& a, int64_t task) {
    const int64_t plane = task / a.row_blocks;
    const Range rows = block_of(a.image.rows(), 1, a.row_blocks, task % a.row_blocks);
    const T* columns = a.from + plane * a.taps() * a.window_rows() * a.windows[2] * a.image.inner;
    T* to = a.to + plane * a.image.elements() + rows.begin * a.image.row();
    for (int64_t row = rows.begin; row < rows.end; ++row, to += a.image.row()) {
        zero_run(to, a.image.row());
        for (int64_t kd = 0; kd < a.kernel[0]; ++kd)
            for (int64_t kh = 0; kh < a.kernel[1]; ++kh) {
                const int64_t od = window_at(a, 0, row / a.image.size[1], kd),
                              oh = window_at(a, 1, row % a.image.size[1], kh);
                if (od >= 0 && oh >= 0) fold_row(a, to, columns, od * a.windows[1] + oh, kd * a.kernel[1] + kh);
            }
    }
}

}  // namespace
}  // namespace fastconv
