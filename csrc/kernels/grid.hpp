// Where a task stands in a plan's grid, and which taps of a window lie inside the input.
#pragma once

#include "args.hpp"

namespace fastconv {
namespace {

// Task numbers run over images, groups, blocks of channels, blocks of pixels, the last fastest: the tasks of one thread
// follow each other, so it keeps using the same packed weights.
struct Cell {
    int64_t n, group, channel_block, pixel_block;
};

template <class T>
inline Cell cell_of(const ConvArgs<T>& a, int64_t task) {
    Cell c;
    c.pixel_block = task % a.pixel_blocks;
    task /= a.pixel_blocks;
    c.channel_block = task % a.channel_blocks;
    task /= a.channel_blocks;
    c.group = task % a.groups;
    c.n = task / a.groups;
    return c;
}

inline int64_t min_of(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t max_of(int64_t a, int64_t b) { return a > b ? a : b; }

struct Range {
    int64_t begin, end;
    int64_t count() const { return end > begin ? end - begin : 0; }
};

// `parts` nearly equal parts of `total`: where part i begins. Tiles of 13, 13, 13, 13, 12 waste less than 14, ..., 8.
inline int64_t part_begin(int64_t total, int64_t parts, int64_t i) {
    const int64_t size = total / parts, extra = total % parts;
    return i * size + (i < extra ? i : extra);
}
inline int64_t parts_of(int64_t total, int64_t most) { return (total + most - 1) / most; }

// Block i of `blocks`: `total` positions in units of `unit`, which stay whole, as evenly as that allows.
inline Range block_of(int64_t total, int64_t unit, int64_t blocks, int64_t i) {
    const int64_t units = parts_of(total, unit);
    return {part_begin(units, blocks, i) * unit, min_of(total, part_begin(units, blocks, i + 1) * unit)};
}

// The indices i in 0..count for which 0 <= origin + i * step < size.
inline Range inside(int64_t origin, int64_t step, int64_t count, int64_t size) {
    Range r{0, count};
    if (origin < 0) r.begin = min_of(count, (-origin + step - 1) / step);
    if (origin + (count - 1) * step >= size) r.end = origin < size ? (size - origin + step - 1) / step : 0;
    if (r.end < r.begin) r.end = r.begin;
    return r;
}

// Taps of output position o along an axis that fall on the input; padding is never computed, nor read.
template <class T>
inline Range taps_inside(const ConvArgs<T>& a, int axis, int64_t o) {
    return inside(o * a.step[axis] - a.before[axis], a.dilation[axis], a.kernel[axis], a.in.size[axis]);
}

}  // namespace
}  // namespace fastconv
