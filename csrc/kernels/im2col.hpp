// The textbook way: copy the patch under each output pixel into a column, then multiply by the matrix of weights
// (K. Chellapilla, S. Puri, P. Simard, High Performance Convolutional Neural Networks for Document Processing, 2006).
//
//     y[oc, p] = sum_k w[oc, k] * patch[k, p]
//
// Never the whole matrix: one panel of patches at a time, a register tile of pixels wide and at most reduction_block
// long, multiplied while it is still in cache. Padding becomes zeros in the panel.
//
// Loops: task (image, group, block of output channels, block of pixels) -> pixel tile -> block of products: gather the
// panel -> channel tile. Where the products come in several blocks, the sums of all channel tiles wait in the workspace.
// Workspace: panel, then sums [channel tile][tile_buffer_rows][tile_pitch].
// Panel and order of products: channels first [c][kd][kh][kw][pixel]; channels last [pixel][kd][kh][kw][c].
#pragma once

#include "gemm.hpp"

namespace fastconv {
namespace {

template <class T>
inline void copy_run(T* to, const T* from, int64_t count, int64_t step) {
    if (step != 1) {
        for (int64_t i = 0; i < count; ++i) to[i] = from[i * step];
        return;
    }
    int64_t i = 0;
    for (; i + lanes<T> <= count; i += lanes<T>) store(to + i, load(from + i));
    for (; i < count; ++i) to[i] = from[i];
}

template <class T>
inline void zero_run(T* to, int64_t count) {
    for (int64_t i = 0; i < count; ++i) to[i] = T(0);
}

// Neighbouring pixels of a tile that lie in one output row, and where their first tap would be in the input.
struct Segment {
    int64_t column, count, origin[3];
};

template <class T>
struct Patches {
    Segment segment[tile_pitch<T> > tile_rows ? tile_pitch<T> : tile_rows];  // one a pixel at worst
    int count = 0;

    Patches(const ConvArgs<T>& a, int64_t pixel, int64_t pixels) {
        for (int64_t done = 0; done < pixels;) {
            const int64_t p = pixel + done, row = p / a.out.size[2];
            const int64_t o[3] = {row / a.out.size[1], row % a.out.size[1], p % a.out.size[2]};
            Segment& s = segment[count++];
            s.column = done;
            s.count = min_of(pixels - done, a.out.size[2] - o[2]);
            for (int i = 0; i < 3; ++i) s.origin[i] = o[i] * a.step[i] - a.before[i];
            done += s.count;
        }
    }
};

// panel[k][pixel], rows tile_pitch apart; columns behind the last pixel are left alone.
template <class T>
inline void im2col_gather_channels_first(const ConvArgs<T>& a, T* panel, const T* x, const Patches<T>& patches, Range k) {
    const int64_t taps = a.kernel[0] * a.kernel[1] * a.kernel[2];
    for (int64_t i = k.begin; i < k.end; ++i, panel += tile_pitch<T>) {
        const int64_t c = i / taps, tap = i % taps;
        const int64_t kd = tap / (a.kernel[1] * a.kernel[2]), kh = tap / a.kernel[2] % a.kernel[1], kw = tap % a.kernel[2];
        for (int s = 0; s < patches.count; ++s) {
            const Segment& seg = patches.segment[s];
            T* to = panel + seg.column;
            const int64_t d = seg.origin[0] + kd * a.dilation[0], h = seg.origin[1] + kh * a.dilation[1];
            const int64_t w = seg.origin[2] + kw * a.dilation[2];
            Range valid = inside(w, a.step[2], seg.count, a.in.size[2]);
            if (d < 0 || d >= a.in.size[0] || h < 0 || h >= a.in.size[1]) valid = {0, 0};
            zero_run(to, valid.begin);
            copy_run(to + valid.begin,
                     x + c * a.in.c_stride + d * a.in.stride[0] + h * a.in.stride[1] +
                         (w + valid.begin * a.step[2]) * a.in.stride[2],
                     valid.count(), a.step[2]);
            zero_run(to + valid.end, seg.count - valid.end);
        }
    }
}

// panel[pixel][k], rows k.count() apart.
template <class T>
inline void im2col_gather_channels_last(const ConvArgs<T>& a, T* panel, const T* x, const Patches<T>& patches, Range k) {
    const int64_t first_tap = k.begin / a.group_in, last_tap = (k.end - 1) / a.group_in;
    for (int s = 0; s < patches.count; ++s)
        for (int64_t p = 0; p < patches.segment[s].count; ++p) {
            const Segment& seg = patches.segment[s];
            for (int64_t tap = first_tap; tap <= last_tap; ++tap) {
                const int64_t begin = max_of(k.begin - tap * a.group_in, 0);
                const int64_t count = min_of(k.end - tap * a.group_in, a.group_in) - begin;
                const int64_t d = seg.origin[0] + tap / (a.kernel[1] * a.kernel[2]) * a.dilation[0];
                const int64_t h = seg.origin[1] + tap / a.kernel[2] % a.kernel[1] * a.dilation[1];
                const int64_t w = seg.origin[2] + p * a.step[2] + tap % a.kernel[2] * a.dilation[2];
                if (d >= 0 && d < a.in.size[0] && h >= 0 && h < a.in.size[1] && w >= 0 && w < a.in.size[2])
                    copy_run(panel, x + d * a.in.stride[0] + h * a.in.stride[1] + w * a.in.stride[2] + begin, count, 1);
                else
                    zero_run(panel, count);
                panel += count;
            }
        }
}

// Pixels and channels of a tile, in the orientation that the layout asks for; channel tiles in a group.
template <class T>
struct Im2colTiles {
    int64_t pixels, channels, count;

    explicit Im2colTiles(const ConvArgs<T>& a)
        : pixels(a.channels_first ? tile_pitch<T> : tile_rows),
          channels(a.channels_first ? tile_rows : a.channel_block),
          count(parts_of(a.group_out, channels)) {}
    static constexpr int64_t size = int64_t(tile_buffer_rows<T>) * tile_pitch<T>;
};

template <class T>
int64_t im2col_workspace(const ConvArgs<T>& a) {
    const Im2colTiles<T> tile(a);
    const int64_t waiting = a.reduction > a.reduction_block ? parts_of(tile.count, a.channel_blocks) : 1;
    return (a.reduction_block * tile.pixels + waiting * tile.size + vector_bytes) * int64_t(sizeof(T));
}

template <class T>
void im2col(const ConvArgs<T>& a, int64_t task, void* workspace) {
    const Cell at = cell_of(a, task);
    const Im2colTiles<T> tile(a);
    const int64_t row_pixels = tile.pixels, tiles = tile.count;
    const int64_t first_tile = part_begin(tiles, a.channel_blocks, at.channel_block);
    const int64_t last_tile = part_begin(tiles, a.channel_blocks, at.channel_block + 1);
    const int64_t pixels = a.out.size[0] * a.out.size[1] * a.out.size[2];
    const int64_t last = min_of(pixels, (at.pixel_block + 1) * a.pixel_block);
    const int64_t group_channel = at.group * a.group_out;
    const T* x = a.x + at.n * a.in.n_stride + at.group * a.group_in * a.in.c_stride;
    T* y = a.y + at.n * a.out.n_stride;

    T* panel = static_cast<T*>(workspace);
    T* sums = panel + (a.reduction_block * row_pixels + lanes<T> - 1) / lanes<T> * lanes<T>;
    // With all products in one panel a tile is stored at once, and the next may use the same buffer.
    const int64_t tile_step = a.reduction > a.reduction_block ? tile.size : 0;

    for (int64_t p = at.pixel_block * a.pixel_block; p < last; p += row_pixels) {
        const int64_t count = min_of(row_pixels, last - p);
        const Patches<T> patches(a, p, count);
        int64_t begin = 0;
        do {  // at least once: without input channels the sums are empty, not absent
            const Range k{begin, min_of(a.reduction, begin + a.reduction_block)};
            if (k.count() && a.channels_first) im2col_gather_channels_first(a, panel, x, patches, k);
            if (k.count() && !a.channels_first) im2col_gather_channels_last(a, panel, x, patches, k);
            for (int64_t t = first_tile; t < last_tile; ++t) {
                T* c = sums + (t - first_tile) * tile_step;
                if (begin == 0) clear(c, tile.size);
                if (a.channels_first) {
                    const int64_t channel = part_begin(a.group_out, tiles, t);
                    const int64_t rows = part_begin(a.group_out, tiles, t + 1) - channel;
                    gemm_pixel_lanes(c, a.weights + (group_channel + channel) * a.reduction, rows, k, panel, tile_pitch<T>,
                                     count);
                    if (k.end == a.reduction)
                        store_channel_rows(a.epilogue, c, tile_pitch<T>, int(rows), group_channel + channel, count, y + p,
                                           a.out.c_stride);
                } else {
                    const int64_t channel = t * a.channel_block;
                    gemm_channel_lanes(c, a.weights + (at.group * tiles + t) * a.reduction * a.channel_block,
                                       a.channel_block, k, panel, k.count(), count);
                    if (k.end == a.reduction)
                        store_pixel_rows(a.epilogue, c, tile_pitch<T>, count, group_channel + channel,
                                         min_of(a.channel_block, a.group_out - channel), y + p * a.out.stride[2],
                                         a.out.c_stride, a.out.stride[2]);
                }
            }
            begin = k.end;
        } while (begin < a.reduction);
    }
}

}  // namespace
}  // namespace fastconv
