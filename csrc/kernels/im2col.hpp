// The textbook way: copy the patch under each output pixel into a column, then multiply by the matrix of weights
// (K. Chellapilla, S. Puri, P. Simard, High Performance Convolutional Neural Networks for Document Processing, 2006).
//
//     y[oc, p] = sum_k w[oc, k] * patch[k, p]
//
// Never the whole matrix: one panel of patches at a time, a register tile of pixels wide and at most reduction_block
// long, multiplied while it is still in cache. Padding becomes zeros in the panel.
//
// Loops: task (group, block of output channels, block of pixels of all images) -> pixel tile -> block of products: gather
// the panel -> channel tile. Where the products come in several blocks, the sums of all channel tiles wait in the workspace.
// Workspace: panel, then sums [channel tile][tile_buffer_rows][tile_pitch].
// Panel and order of products: channels first, pixels in lanes, [c][kd][kh][kw][pixel]; channels last, channels in lanes,
// [pixel][kd][kh][kw][c].
#pragma once

#include "copy.hpp"
#include "gemm.hpp"

namespace fastconv {
namespace {

// Neighbouring pixels of a tile that lie in one output row. Pixels are numbered through all images of the batch.
struct Segment {
    int64_t column, count;  // of the tile
    int64_t image, pixel;   // where its first pixel is
    int64_t origin[3];      // where that pixel's first tap would be in the input
};

template <class T>
struct Patches {
    Segment segment[tile_pitch<T> > tile_rows ? tile_pitch<T> : tile_rows];  // one a pixel at worst
    int count = 0;

    Patches(const ConvArgs<T>& a, int64_t first, int64_t pixels) {
        const int64_t image_pixels = a.out.size[0] * a.out.size[1] * a.out.size[2];
        for (int64_t done = 0; done < pixels;) {
            Segment& s = segment[count++];
            s.image = (first + done) / image_pixels;
            s.pixel = (first + done) % image_pixels;
            const int64_t row = s.pixel / a.out.size[2];
            const int64_t o[3] = {row / a.out.size[1], row % a.out.size[1], s.pixel % a.out.size[2]};
            s.column = done;
            s.count = min_of(pixels - done, a.out.size[2] - o[2]);
            for (int i = 0; i < 3; ++i) s.origin[i] = o[i] * a.step[i] - a.before[i];
            done += s.count;
        }
    }
};

// One tap of the kernel as seen by one segment: which of its pixels have it inside, and where the first of these reads.
struct Tap {
    Range valid;
    int64_t from;
};

template <class T>
inline Tap tap_of(const ConvArgs<T>& a, const Segment& s, int64_t kd, int64_t kh, int64_t kw) {
    const int64_t d = s.origin[0] + kd * a.dilation[0], h = s.origin[1] + kh * a.dilation[1];
    const int64_t w = s.origin[2] + kw * a.dilation[2];
    if (d < 0 || d >= a.in.size[0] || h < 0 || h >= a.in.size[1]) return {{0, 0}, 0};
    const Range valid = inside(w, a.step[2], s.count, a.in.size[2]);
    return {valid, s.image * a.in.n_stride + d * a.in.stride[0] + h * a.in.stride[1] +
                       (w + valid.begin * a.step[2]) * a.in.stride[2]};
}

// Calls f(number of the tap, segment, tap) for the taps in a range of their numbers and each segment.
template <class T, class F>
inline void for_each_tap(const ConvArgs<T>& a, const Patches<T>& patches, Range taps, const F& f) {
    int64_t w = taps.begin % a.kernel[2], h = taps.begin / a.kernel[2] % a.kernel[1];
    int64_t d = taps.begin / a.kernel[2] / a.kernel[1];
    for (int64_t number = taps.begin; number < taps.end; ++number) {
        for (int i = 0; i < patches.count; ++i) f(number, patches.segment[i], tap_of(a, patches.segment[i], d, h, w));
        if (++w < a.kernel[2]) continue;
        w = 0;
        if (++h < a.kernel[1]) continue;
        h = 0;
        ++d;
    }
}

// Pixels of a tile and the pitch of its panel, where pixels are in lanes.
template <class T>
constexpr int64_t im2col_pixels = tile_vectors * lanes<T>;

// panel[k][pixel] for products c * taps + tap in k, rows im2col_pixels apart.
template <class T>
inline void im2col_gather_channels_first(const ConvArgs<T>& a, T* panel, const T* x, const Patches<T>& patches, Range k) {
    const int64_t taps = a.kernel[0] * a.kernel[1] * a.kernel[2];
    const bool all = k.begin == 0 && k.end == a.reduction;
    const auto gather = [&](int64_t tap, const Segment& s, const Tap& t) {
        const int64_t first = all || k.begin <= tap ? 0 : parts_of(k.begin - tap, taps);
        const int64_t last = all ? a.group_in : k.end > tap ? parts_of(k.end - tap, taps) : 0;
        T* to = panel + (first * taps + tap - k.begin) * im2col_pixels<T> + s.column;
        const T* from = x + t.from + first * a.in.c_stride;
        for (int64_t c = first; c < last; ++c, to += taps * im2col_pixels<T>, from += a.in.c_stride) {
            if (t.valid.begin > 0) zero_run(to, t.valid.begin);
            copy_run(to + t.valid.begin, from, t.valid.count(), a.step[2]);
            if (t.valid.end < s.count) zero_run(to + t.valid.end, s.count - t.valid.end);
        }
    };
    // Less than one channel: some taps, perhaps the last of one channel and the first of the next.
    const int64_t begin = k.begin % taps, end = begin + k.count();
    if (k.count() >= taps) return for_each_tap(a, patches, {0, taps}, gather);
    for_each_tap(a, patches, {begin, min_of(end, taps)}, gather);
    for_each_tap(a, patches, {0, end - taps}, gather);
}

// panel[pixel][k] for products tap * group_in + c in k, rows k.count() apart.
template <class T>
inline void im2col_gather_channels_last(const ConvArgs<T>& a, T* panel, const T* x, const Patches<T>& patches, Range k) {
    const int64_t pixel_stride = a.step[2] * a.in.stride[2];
    const Range taps{k.begin / a.group_in, (k.end - 1) / a.group_in + 1};
    for_each_tap(a, patches, taps, [&](int64_t tap, const Segment& s, const Tap& t) {
        const int64_t begin = max_of(k.begin - tap * a.group_in, 0);
        const int64_t count = min_of(k.end - tap * a.group_in, a.group_in) - begin;
        if (count <= 0) return;
        T* to = panel + s.column * k.count() + tap * a.group_in + begin - k.begin;
        const T* from = x + t.from + begin;
        for (int64_t p = 0; p < s.count; ++p, to += k.count()) {
            if (p >= t.valid.begin && p < t.valid.end) {
                copy_run(to, from, count, 1);
                from += pixel_stride;
            } else {
                zero_run(to, count);
            }
        }
    });
}

// Pixels of a tile, in the orientation that the layout asks for; tiles of channels in a group.
template <class T>
struct Im2colTiles {
    int64_t pixels, count;

    explicit Im2colTiles(const ConvArgs<T>& a)
        : pixels(a.pixel_lanes ? im2col_pixels<T> : tile_rows),
          count(a.pixel_lanes ? parts_of(a.group_out, tile_rows) : a.panels) {}
    // Stores may read a vector from any column on, hence one more vector at the end.
    static constexpr int64_t size = int64_t(tile_buffer_rows<T>) * tile_pitch<T> + lanes<T>;
};

template <class T>
int64_t im2col_workspace(const ConvArgs<T>& a) {
    const Im2colTiles<T> tile(a);
    const int64_t waiting = a.reduction > a.reduction_block ? parts_of(tile.count, a.channel_blocks) : 1;
    return (a.reduction_block * tile.pixels + lanes<T> + waiting * tile.size) * int64_t(sizeof(T));
}

template <class T>
inline void im2col_pixel_lanes(const ConvArgs<T>& a, T* c, const T* panel, int64_t group_channel, int64_t t, int64_t tiles,
                               Range k, int64_t first, int64_t count) {
    const int64_t channel = group_channel + part_begin(a.group_out, tiles, t);
    const int64_t channels = group_channel + part_begin(a.group_out, tiles, t + 1) - channel;
    const T* bias = bias_of(a.epilogue, channel);
    gemm_pixel_lanes(
        a.weights + (channel - a.weights_first) * a.reduction, channels, k, Columns<T>{panel, im2col_pixels<T>}, count, true,
        [&](auto& sums) { k.begin == 0 ? sums.begin_rows(bias) : sums.load_from(c, tile_pitch<T>); },
        [&](auto& sums) { sums.store_to(c, tile_pitch<T>); });
    if (k.end < a.reduction) return;
    for (int64_t i = 0; i < count;) {  // an image's pixels lie side by side
        const int64_t at = first + i, image = a.out.c_stride, in_image = at % image;
        const int64_t run = min_of(count - i, image - in_image);
        finish_rows(a.epilogue, c + i, tile_pitch<T>, channels,
                    a.y + at / image * a.out.n_stride + channel * a.out.c_stride + in_image, a.out.c_stride, run);
        i += run;
    }
}

template <class T>
inline void im2col_channel_lanes(const ConvArgs<T>& a, T* c, const T* patches, int64_t group, int64_t t, Range k,
                                 int64_t first, int64_t count) {
    const Panel panel = panel_of(a, group, t);
    const int64_t channel = group * a.group_out + panel.channel;
    const int64_t parts = parts_of(count, panel_rows(panel.width / lanes<T>));  // a wide panel takes fewer pixels at once
    for (int64_t part = 0; part < parts; ++part) {
        const int64_t p = part_begin(count, parts, part), pixels = part_begin(count, parts, part + 1) - p;
        gemm_channel_lanes(c + p * tile_pitch<T>, a.weights + (panel.weights - a.weights_first) * a.reduction,
                           bias_of(a.epilogue, channel), panel, k, a.reduction,
                           DenseRows<T>{patches + p * k.count(), k.count()}, pixels, part, parts, [&](auto& sums) {
                               finish_tile(a.epilogue, sums, a.y + (first + p) * a.out.stride[2] + channel, a.out.stride[2],
                                           panel.channels);
                           });
    }
}

template <class T>
void im2col(const ConvArgs<T>& a, int64_t task, void* workspace) {
    const Cell at = cell_of(a, task);
    const int64_t group = at.group;
    const Im2colTiles<T> tile(a);
    const int64_t first_tile = part_begin(tile.count, a.channel_blocks, at.channel_block);
    const int64_t last_tile = part_begin(tile.count, a.channel_blocks, at.channel_block + 1);
    const Range pixels =
        block_of(a.batch * a.out.size[0] * a.out.size[1] * a.out.size[2], tile.pixels, a.pixel_blocks, at.pixel_block);
    const int64_t group_channel = group * a.group_out;
    const T* x = a.x + group * a.group_in * a.in.c_stride;

    T* panel = static_cast<T*>(workspace);
    T* sums = panel + parts_of(a.reduction_block * tile.pixels, lanes<T>) * lanes<T>;
    // With all products in one panel a tile is stored at once, and the next may use the same buffer.
    const int64_t tile_step = a.reduction > a.reduction_block ? tile.size : 0;

    for (int64_t p = pixels.begin; p < pixels.end; p += tile.pixels) {
        const int64_t count = min_of(tile.pixels, pixels.end - p);
        const Patches<T> patches(a, p, count);
        int64_t begin = 0;
        do {  // at least once: without input channels the sums are empty, not absent
            const Range k{begin, min_of(a.reduction, begin + a.reduction_block)};
            if (k.count() && a.pixel_lanes) im2col_gather_channels_first(a, panel, x, patches, k);
            if (k.count() && !a.pixel_lanes) im2col_gather_channels_last(a, panel, x, patches, k);
            for (int64_t t = first_tile; t < last_tile; ++t) {
                T* c = sums + (t - first_tile) * tile_step;
                if (a.pixel_lanes)
                    im2col_pixel_lanes(a, c, panel, group_channel, t, tile.count, k, p, count);
                else
                    im2col_channel_lanes(a, c, panel, group, t, k, p, count);
            }
            begin = k.end;
        } while (begin < a.reduction);
    }
}

}  // namespace
}  // namespace fastconv
