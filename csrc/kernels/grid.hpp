// Where a task stands in a plan's grid, and which taps of a window lie inside the input.
#pragma once

#include "args.hpp"
#include "simd.hpp"

namespace fastconv {
namespace {

// Task numbers run over groups, blocks of channels, images, blocks of pixels, the last fastest: the tasks of one thread
// follow each other, so it keeps using the same packed weights.
struct Cell {
    int64_t group, channel_block, n, pixel_block;
};

template <class T>
inline Cell cell_of(const ConvArgs<T>& a, int64_t task) {
    Cell c;
    c.pixel_block = task % a.pixel_blocks;
    task /= a.pixel_blocks;
    c.n = task % a.images;
    task /= a.images;
    c.channel_block = task % a.channel_blocks;
    c.group = task / a.channel_blocks;
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

// Output channels of a group come in panels of channel_block, the last of what is left: one to three vectors.
struct Panel {
    int64_t channel, channels;  // of the group
    int64_t width;              // channels of packed weights, whole vectors
    int64_t weights;            // where they begin, counted in channels of packed weights: times the length of a sum
};
template <class T>
inline Panel panel_of(const ConvArgs<T>& a, int64_t group, int64_t i) {
    Panel p;
    const auto whole_vectors = [](int64_t n) { return max_of(parts_of(n, lanes<T>), 1) * lanes<T>; };
    p.channel = i * a.channel_block;
    p.channels = i + 1 < a.panels ? a.channel_block : a.group_out - p.channel;
    p.width = whole_vectors(p.channels);
    p.weights = group * whole_vectors(a.group_out) + p.channel;
    return p;
}

template <class T>
inline int64_t widest_panel(const ConvArgs<T>& a) {
    return max_of(panel_of(a, 0, 0).width, panel_of(a, 0, a.panels - 1).width);
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
