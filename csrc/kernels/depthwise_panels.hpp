// Depthwise with channels in lanes: pixels of a row times a panel of channels, in place (depthwise.hpp).
#pragma once

#include "depthwise_tiles.hpp"

namespace fastconv {
namespace {

// A vector of output channels: those of some whole groups, or some of one group.
struct DepthwisePanel {
    int64_t in, out;            // the first channels
    int channels_in, channels;  // how many
};

template <class T>
struct DepthwisePanels {
    int64_t together, parts, count;  // groups in a panel, panels in a group, panels

    explicit DepthwisePanels(const ConvArgs<T>& a)
        : together(max_of(lanes<T> / max_of(max_of(a.group_in, a.group_out), 1), 1)),
          parts(max_of(parts_of(a.group_out, lanes<T>), 1)),
          count(parts > 1 ? a.groups * parts : parts_of(a.groups, together)) {}

    DepthwisePanel operator()(const ConvArgs<T>& a, int64_t i) const {
        const int64_t group = i / parts * together, part = i % parts * lanes<T>;
        const int64_t groups = min_of(together, a.groups - group);
        return {group * a.group_in, group * a.group_out + part, int(groups * a.group_in),
                int(groups > 1 ? groups * a.group_out : min_of(a.group_out - part, lanes<T>))};
    }
};

// The first input channel of the group that each lane of a vector of whole groups belongs to.
template <class T>
inline BitsVec<T> group_lanes(const ConvArgs<T>& a) {
    BitsVec<T> first{};
    if (a.group_in == 1 && a.group_out == 1) return lane_numbers<Bits<T>>();
    const int64_t together = DepthwisePanels<T>(a).together;
    for (int64_t group = 0, lane = 0; group < together; ++group)
        for (int64_t i = 0; i < a.group_out && lane < lanes<T>; ++i, ++lane) first[lane] = Bits<T>(group * a.group_in);
    return first;
}

// How a vector of output channels gets its input channels.
enum class Spread {
    same,        // one each, as they lie
    groups,      // each lane that of its group,
    all_groups,  // of a vector full of them
    one          // all from one channel
};

// Loads one channel of each group from the pixels of one row of the kernel after the other, `row` apart.
template <class T, Spread spread>
struct LaneColumns {
    int64_t from, row, channels;
    Mask<T> exists;    // of the channels that lie there
    BitsVec<T> group;  // where the group of each lane begins
    int64_t channel = 0;

    template <class F>
    FASTCONV_INLINE void operator()(int64_t, const F& f) {
        const int64_t at = from, c = channel;
        if (++channel == channels) {
            channel = 0;
            from += row;
        }
        if constexpr (spread == Spread::same)
            f([at](const T* pixel, int) { return load(pixel + at); });
        else if constexpr (spread == Spread::all_groups)
            f([at, lane = group + Bits<T>(c)](const T* pixel, int) { return permute<T>(load(pixel + at), lane); });
        else if constexpr (spread == Spread::groups)
            f([at, lane = group + Bits<T>(c), this](const T* pixel, int) {
                return permute<T>(load_masked(pixel + at, exists), lane);
            });
        else
            f([at, c](const T* pixel, int) { return broadcast(pixel[at + c]); });
    }
};

// One row of a tile of pixels, channels of one panel.
template <class T>
struct DepthwisePixels {
    const T* const* pixels;
    int64_t from, slice, row;  // where the first tap lies behind them, and how far apart those of the next lie
    Range kd, kh;
    BitsVec<T> group;  // group_lanes()
    Epilogue<T> epilogue;
    T* y;
    int64_t pitch, count;
};

template <class T, int P, int S, Spread spread>
[[gnu::noinline]] void depthwise_pixels(const ConvArgs<T>& a, const DepthwisePixels<T>& t, const DepthwisePanel& panel,
                                        const T* weights) {
    const int64_t row = a.group_in * a.kernel[2];  // weights of one
    LaneColumns<T, spread> columns{0, t.row, a.group_in, first_lanes<T>(panel.channels_in), t.group};
    Tile<T, P, 1> tile;
    tile.begin_columns(bias_of(t.epilogue, panel.out), 0, first_lanes<T>(panel.channels));
    for (int64_t d = t.kd.begin; d < t.kd.end; ++d) {
        columns.from = t.from + d * t.slice + t.kh.begin * t.row;
        columns.channel = 0;
        const VectorWeights<T> from{weights + (d * a.kernel[1] + t.kh.begin) * row * lanes<T>};
        stencil_add_columns<P, 1, S>(tile, t.pixels, columns, from, a.kernel[2], t.kh.count() * a.group_in);
    }
    finish_tile(t.epilogue, tile, t.y, t.pitch, t.count);
}

template <class T, int P, int S>
inline void depthwise_panel(const ConvArgs<T>& a, const DepthwisePixels<T>& t, const DepthwisePanel& panel,
                            const T* weights) {
    if (a.group_out == 1 && a.group_in == 1 && panel.channels == lanes<T>)
        depthwise_pixels<T, P, S, Spread::same>(a, t, panel, weights);
    else if (panel.channels_in == lanes<T> && panel.channels == lanes<T> && a.group_in < lanes<T>)
        depthwise_pixels<T, P, S, Spread::all_groups>(a, t, panel, weights);
    else if (panel.channels_in > a.group_in)
        depthwise_pixels<T, P, S, Spread::groups>(a, t, panel, weights);
    else
        depthwise_pixels<T, P, S, Spread::one>(a, t, panel, weights);
}

template <class T, int S>
inline void depthwise_channels_last(const ConvArgs<T>& a, int64_t task, void* workspace) {
    const Cell at = cell_of(a, task);
    const DepthwiseBlock block = depthwise_block(a, at.pixel_block);
    const DepthwisePanels<T> panels(a);
    const int64_t step = tile_step(S, a.step[2], a.dilation[2], a.kernel[2]);
    const int64_t together = max_of(depthwise_near_bytes / (a.reduction * vector_bytes), 1);  // panels
    const T* x = a.x + at.n * a.in.n_stride;
    const T** pixels = static_cast<const T**>(workspace);
    const BitsVec<T> group = group_lanes(a);
    for_each_tile<stencil_pixels>(block.columns, step, [&](auto p, int64_t first) {
        for_each_position<p.value, S>(a, 2, first, step, [&](int64_t i, int64_t iw) {
            pixels[i] = 0 <= iw && iw < a.in.size[2] ? x + iw * a.in.stride[2] : nullptr;
        });
        const int64_t pitch = p.value > 1 ? step * a.out.stride[2] : 0;
        const auto do_row = [&](Range some, int64_t od, int64_t oh) {
            const int64_t top =
                (od * a.step[0] - a.before[0]) * a.in.stride[0] + (oh * a.step[1] - a.before[1]) * a.in.stride[1];
            T* y = a.y + at.n * a.out.n_stride + od * a.out.stride[0] + oh * a.out.stride[1] + first * a.out.stride[2];
            DepthwisePixels<T> t{pixels,
                                 0,
                                 a.dilation[0] * a.in.stride[0],
                                 a.dilation[1] * a.in.stride[1],
                                 taps_inside(a, 0, od),
                                 taps_inside(a, 1, oh),
                                 group,
                                 a.epilogue,
                                 y,
                                 pitch,
                                 0};
            for (int64_t i = some.begin; i < some.end; ++i) {
                const DepthwisePanel panel = panels(a, i);
                t.from = top + panel.in;
                t.y = y + panel.out;
                t.count = panel.channels;
                depthwise_panel<T, p.value, S>(a, t, panel, a.weights + i * a.reduction * lanes<T>);
            }
        };
        for (int64_t i = 0; i < panels.count; i += together)
            for_each_slice(a, block.rows, [&](int64_t od, Range rows) {
                for (int64_t oh = rows.begin; oh < rows.end; ++oh) do_row({i, min_of(i + together, panels.count)}, od, oh);
            });
    });
}

}  // namespace
}  // namespace fastconv
