# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The loops of a convolution as an engineer writes them; `cython.py` compiles and calls them.

Rows of the result run in parallel. Divisions are C's, which round towards zero: see `first_output`.
"""

from cython cimport floating
from cython.parallel cimport prange


cdef inline Py_ssize_t first_output(Py_ssize_t shift, Py_ssize_t stride) noexcept nogil:
    """Return the least output, from 0 on, whose input output * stride + shift is not before the row."""
    return 0 if shift >= 0 else (-shift + stride - 1) // stride


cdef inline Py_ssize_t end_of_outputs(
    Py_ssize_t shift, Py_ssize_t stride, Py_ssize_t size, Py_ssize_t outputs
) noexcept nogil:
    """Return the number of outputs up to the last whose input is not beyond the row."""
    if size - 1 < shift:
        return 0
    return min(outputs, (size - 1 - shift) // stride + 1)


cdef void row_of_plane(
    floating[:, :, :, ::1] y,
    const floating[:, :, :, ::1] x,
    const floating[:, :, :, ::1] weight,
    const floating[::1] bias,
    Py_ssize_t n,
    Py_ssize_t o,
    Py_ssize_t oh,
    Py_ssize_t start,
    Py_ssize_t down,
    Py_ssize_t right,
    Py_ssize_t top,
    Py_ssize_t left,
    Py_ssize_t spread_h,
    Py_ssize_t spread_w,
    bint relu,
) noexcept nogil:
    cdef Py_ssize_t width = y.shape[3]
    cdef Py_ssize_t c, i, j, ih, ow, shift, first, last
    cdef floating tap
    cdef floating* row = &y[n, o, oh, 0]
    cdef const floating* source
    for ow in range(width):
        row[ow] = bias[o]
    for c in range(weight.shape[1]):
        for i in range(weight.shape[2]):
            ih = oh * down + i * spread_h - top
            if ih < 0 or ih >= x.shape[2]:
                continue
            source = &x[n, start + c, ih, 0]
            for j in range(weight.shape[3]):
                shift = j * spread_w - left
                first = first_output(shift, right)
                last = end_of_outputs(shift, right, x.shape[3], width)
                tap = weight[o, c, i, j]
                if right == 1:  # neighbours, which vectors can load
                    for ow in range(first, last):
                        row[ow] += tap * source[ow + shift]
                else:
                    for ow in range(first, last):
                        row[ow] += tap * source[ow * right + shift]
    if relu:
        for ow in range(width):
            row[ow] = row[ow] if row[ow] > 0 else 0


def channels_first(
    floating[:, :, :, ::1] y,
    const floating[:, :, :, ::1] x,
    const floating[:, :, :, ::1] weight,
    const floating[::1] bias,
    tuple stride,
    tuple before,
    tuple dilation,
    Py_ssize_t groups,
    bint relu,
    int threads,
):
    cdef Py_ssize_t down = stride[0], right = stride[1], top = before[0], left = before[1]
    cdef Py_ssize_t spread_h = dilation[0], spread_w = dilation[1]
    cdef Py_ssize_t filters = y.shape[1], height = y.shape[2], filters_of_group = y.shape[1] // groups
    cdef Py_ssize_t per_group = weight.shape[1], line
    for line in prange(y.shape[0] * filters * height, nogil=True, num_threads=threads, schedule="static"):
        row_of_plane(
            y, x, weight, bias, line // height // filters, line // height % filters, line % height,
            line // height % filters // filters_of_group * per_group,
            down, right, top, left, spread_h, spread_w, relu,
        )


cdef void row_of_pixels(
    floating[:, :, :, ::1] y,
    const floating[:, :, :, ::1] x,
    const floating[:, :, :, ::1] weight,
    const floating[::1] bias,
    Py_ssize_t n,
    Py_ssize_t oh,
    Py_ssize_t down,
    Py_ssize_t right,
    Py_ssize_t top,
    Py_ssize_t left,
    Py_ssize_t spread_h,
    Py_ssize_t spread_w,
    Py_ssize_t groups,
    bint relu,
) noexcept nogil:
    cdef Py_ssize_t filters = y.shape[3], per_group = weight.shape[2], filters_of_group = filters // groups
    cdef Py_ssize_t ow, i, j, ih, iw, g, c, o
    cdef floating value
    cdef floating* pixel
    cdef const floating* source
    cdef const floating* taps
    for ow in range(y.shape[2]):
        pixel = &y[n, oh, ow, 0]
        for o in range(filters):
            pixel[o] = bias[o]
        for i in range(weight.shape[0]):
            ih = oh * down + i * spread_h - top
            if ih < 0 or ih >= x.shape[1]:
                continue
            for j in range(weight.shape[1]):
                iw = ow * right + j * spread_w - left
                if iw < 0 or iw >= x.shape[2]:
                    continue
                source = &x[n, ih, iw, 0]
                if per_group == 1 and filters_of_group == 1:  # a vector of channels, each by itself
                    taps = &weight[i, j, 0, 0]
                    for o in range(filters):
                        pixel[o] += taps[o] * source[o]
                    continue
                for g in range(groups):
                    for c in range(per_group):
                        value = source[g * per_group + c]
                        taps = &weight[i, j, c, 0]
                        for o in range(g * filters_of_group, (g + 1) * filters_of_group):
                            pixel[o] += taps[o] * value
        if relu:
            for o in range(filters):
                pixel[o] = pixel[o] if pixel[o] > 0 else 0


def channels_last(
    floating[:, :, :, ::1] y,
    const floating[:, :, :, ::1] x,
    const floating[:, :, :, ::1] weight,
    const floating[::1] bias,
    tuple stride,
    tuple before,
    tuple dilation,
    Py_ssize_t groups,
    bint relu,
    int threads,
):
    cdef Py_ssize_t down = stride[0], right = stride[1], top = before[0], left = before[1]
    cdef Py_ssize_t spread_h = dilation[0], spread_w = dilation[1]
    cdef Py_ssize_t height = y.shape[1], line
    for line in prange(y.shape[0] * height, nogil=True, num_threads=threads, schedule="static"):
        row_of_pixels(
            y, x, weight, bias, line // height, line % height,
            down, right, top, left, spread_h, spread_w, groups, relu,
        )
