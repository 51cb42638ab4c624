// Convolution with few input channels in each group, one above all (depthwise), any number of output channels, kernel
// extent, stride and dilation:
//
//     y[n, oc, o] = sum over taps t and channels c of its group of x[n, c, o * stride + t * dilation - before] * w[oc, c, t]
//
// Neighbouring outputs share most of what they read: stencil.hpp. Outputs of a tile lie as far apart as lets them share it
// (with dilation 2, every other one), or each is a tile of its own.
//
// Pixels in lanes, for channels first and wide rows: a tile is some rows of one output channel times vectors of pixels,
// straight from the input, or with stride 2 from lines of its even and odd columns. Rows outside it are skipped; columns
// outside are lanes that are not read and count as zeros.
//     Task: group, block of its output channels, image, block of rows, block of columns.
//     Weights: [output channel][kd][c][kw][kh]. Workspace: where the rows under a tile lie, the lines.
// Channels in lanes: a tile is some pixels of a row times one vector of output channels, of as many whole groups as fill it;
// what is outside the input is skipped. Channels first, a box of the input is transposed into the workspace and the outputs
// on their way back; channels last, both stay in place.
//     Task: panel, image, block of rows, block of columns; channels last every panel.
//     Weights: [panel][kd][kh][c][kw][lane]. Workspace: where the pixels under a tile lie; the box and its sums.
#pragma once

#include "epilogue.hpp"
#include "grid.hpp"
#include "stencil.hpp"

namespace fastconv {
namespace {

// ---- tiles along an axis ----

// How far apart outputs of an axis lie whose first inputs lie `shared` dilations apart, so that tiles can share them; more
// than the axis is long if none do and a tile is one output. Short kernels share nothing and take neighbours.
inline int64_t tile_step(int64_t shared, int64_t stride, int64_t dilation, int64_t kernel) {
    if (kernel <= shared || shared == 0) return 1;
    if (shared * dilation % stride != 0) return std::numeric_limits<int64_t>::max();
    return shared * dilation / stride;
}

// Calls f(Constant<R>) for the rows of the next tile where so many are left.
template <class F>
FASTCONV_INLINE void with_tile_rows(int64_t left, const F& f) {
    static_assert(stencil_rows == 8 || stencil_rows == 4);
    if constexpr (stencil_rows == 8) {
        if (left >= 8 && (left % 8 == 0 || left % 7 != 0)) return f(Constant<8>{});
        if (left >= 7) return f(Constant<7>{});
    }
    if (left >= 4) return f(Constant<4>{});
    if (left >= 2) return f(Constant<2>{});
    f(Constant<1>{});
}

// Calls f(Constant<R>, first) for tiles of the outputs first, first + step, ...
template <class F>
FASTCONV_INLINE void for_each_tile(Range outputs, int64_t step, const F& f) {
    for (int64_t phase = 0; phase < min_of(step, outputs.count()); ++phase)
        for (int64_t first = outputs.begin + phase; first < outputs.end;) {
            const int64_t left = (outputs.end - first - 1) / step + 1;
            with_tile_rows(left, [&](auto r) {
                f(r, first);
                first += r.value * min_of(step, outputs.count());
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
    const int64_t positions = max_of(shared * (stencil_rows - 1) + a.kernel[axis], stencil_rows * a.kernel[axis]);
    return (positions * int64_t(sizeof(const T*)) + vector_bytes - 1) / vector_bytes * vector_bytes;
}

// ---- pixels in lanes ----

// What a tile of rows of one output channel works through.
template <class T>
struct DepthwiseRows {
    const T* const* rows;
    const T* weights;
    int64_t columns, height;  // of the kernel, over slices, channels and width
    Vec<T> bias;
    const Epilogue<T>* epilogue;
    T* y;
    int64_t pitch, pixels;
};

// Loads whole columns of the kernel.
template <class T>
struct WholeColumns {
    const int64_t* offset;
    int64_t from;
    auto operator()(int64_t w) const {
        return [at = from + offset[w]](const T* row, int v) { return load(row + at + v * lanes<T>); };
    }
};

// The same where some pixels are outside the input: V masks for each of `width` columns.
template <class T, int V>
struct EdgeColumns {
    const int64_t* offset;
    int64_t from;
    const Mask<T>* masks;
    int64_t width, tap = 0;
    struct Load {
        int64_t at;
        Mask<T> inside[V];
        Vec<T> operator()(const T* row, int v) const { return load_masked(row + at + v * lanes<T>, inside[v]); }
    };
    Load operator()(int64_t w) {
        Load load{from + offset[w], {}};
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) load.inside[v] = masks[tap * V + v];
        if (++tap == width) tap = 0;
        return load;
    }
};

// R rows times V vectors of pixels, the last perhaps partial.
template <class T, int R, int V, int S, class Columns>
[[gnu::noinline]] void depthwise_tile(const DepthwiseRows<T>& t, const Columns& columns) {
    Tile<T, R, V> tile;
    tile.begin(t.bias);
    stencil_add_columns<R, V, S>(tile, t.rows, columns, ScalarWeights<T>{t.weights}, t.height, t.columns);
    finish_tile(*t.epilogue, tile, t.y, t.pitch, t.pixels);
}

// Calls f(Constant<V>, first): V vectors at a time, and what is left by half as many, and half of that.
template <class T, int V, class F>
FASTCONV_INLINE void for_each_columns(Range columns, const F& f) {
    constexpr int wide = V * lanes<T>;
    for (; columns.count() > (V > 1 ? wide - lanes<T> : 0); columns.begin += wide) f(Constant<V>{}, columns.begin);
    if constexpr (V > 1) for_each_columns<T, V / 2>(columns, f);
}

// With stride 2, what a tile reads is first dealt out to lines of even and odd columns, zeros outside the input, so that
// every tap reads neighbours and needs no mask.
template <class T>
struct DepthwiseLines {
    int64_t phase;                          // elements of the even or odd columns of a line
    int64_t row;                            // of a row of all slices and channels
    int64_t sources, offsets, data, bytes;  // where the parts of the workspace lie behind the rows, in bytes

    explicit DepthwiseLines(const ConvArgs<T>& a) {
        const bool dealt = a.step[2] == 2;
        const int64_t lines = a.kernel[0] * a.group_in, pointers = depthwise_positions(a, 1, 2);
        const auto whole = [](int64_t bytes) { return parts_of(bytes, vector_bytes) * vector_bytes; };
        phase = (stencil_vectors(1) + parts_of((a.kernel[2] - 1) * a.dilation[2] + 2, 2 * lanes<T>)) * lanes<T>;
        row = 2 * phase * lines;
        sources = pointers;
        offsets = sources + (dealt ? pointers : 0);
        data = offsets + (dealt ? whole(lines * a.kernel[2] * int64_t(sizeof(int64_t)))
                                : whole(a.kernel[2] * stencil_vectors(1) * int64_t(sizeof(Mask<T>))));
        bytes = data + (dealt ? pointers / int64_t(sizeof(T*)) * row * int64_t(sizeof(T)) : 0);
    }
};

// Columns left, left + 1, ... of the input, `count` of them, `from` behind the pointers to its rows.
template <class T>
[[gnu::noinline]] void depthwise_deal(const T* const* sources, const T* const* rows, int64_t row_count, int64_t from,
                                      int64_t to, int64_t left, int64_t count, int64_t size, int64_t phase) {
    constexpr int L = lanes<T>;
    constexpr typename MakeIndices<L>::type all{};
    for (int64_t j = 0; j < count; j += 2 * L) {
        const Range valid = inside(left + j, 1, 2 * L, size);
        const bool whole = valid.count() == 2 * L;
        const Mask<T> low = lanes_between<T>(int(valid.begin), int(valid.end));
        const Mask<T> high = lanes_between<T>(int(valid.begin) - L, int(valid.end) - L);
        for (int64_t i = 0; i < row_count; ++i) {
            if (!rows[i]) continue;
            const T* p = sources[i] + from + j;
            T* line = const_cast<T*>(rows[i]) + to + j / 2;
            const Vec<T> a = whole ? load(p) : load_masked(p, low), b = whole ? load(p + L) : load_masked(p + L, high);
            store(line, even_of(a, b, all));
            store(line + phase, odd_of(a, b, all));
        }
    }
}

// Of some output channels of one image.
template <class T, int S>
inline void depthwise_rows(const ConvArgs<T>& a, const Cell& at, const DepthwiseBlock& block, Range channels,
                           void* workspace) {
    constexpr int L = lanes<T>;
    const int64_t slice = a.reduction / a.kernel[0], width = a.group_in * a.kernel[2];  // weights and columns of one
    const int64_t step = tile_step(S, a.step[1], a.dilation[1], a.kernel[1]), group = a.group_in * a.in.c_stride;
    constexpr bool dealt = S == 2;
    const DepthwiseLines<T> lines(a);
    char* memory = static_cast<char*>(workspace);
    const T** rows = reinterpret_cast<const T**>(memory);
    const T** sources = reinterpret_cast<const T**>(memory + lines.sources);
    int64_t* line_offsets = reinterpret_cast<int64_t*>(memory + lines.offsets);
    Mask<T>* masks = reinterpret_cast<Mask<T>*>(memory + lines.offsets);
    T* data = reinterpret_cast<T*>(memory + lines.data);
    if constexpr (dealt)
        for (int64_t i = 0; i < a.kernel[0] * width; ++i) {
            const int64_t column = i % a.kernel[2] * a.dilation[2];
            line_offsets[i] = (i / a.kernel[2] * 2 + column % 2) * lines.phase + column / 2;
        }

    for_each_slice(a, block.rows, [&](int64_t od, Range outputs) {
        const Range kd = taps_inside(a, 0, od);
        const T* x = a.x + at.n * a.in.n_stride + (od * a.step[0] - a.before[0]) * a.in.stride[0];
        DepthwiseRows<T> t;
        t.rows = rows;
        t.columns = kd.count() * width;
        t.height = a.kernel[1];
        t.epilogue = &a.epilogue;
        const int64_t* offset = (dealt ? line_offsets : a.offsets) + kd.begin * width;
        for_each_tile(outputs, step, [&](auto r, int64_t first) {
            int64_t row_count = 0;
            for (int i = 0; dealt && i < S * r.value; ++i) rows[i] = nullptr;  // short kernels leave some out
            for_each_position<r.value, S>(a, 1, first, step, [&](int64_t i, int64_t ih) {
                const bool exists = 0 <= ih && ih < a.in.size[1];
                const T* source = exists ? x + ih * a.in.stride[1] : nullptr;
                rows[i] = dealt && exists ? data + i * lines.row : source;
                if constexpr (dealt) sources[i] = source;
                row_count = i + 1;
            });
            t.pitch = r.value > 1 ? step * a.out.stride[1] : 0;
            T* y = a.y + at.n * a.out.n_stride + od * a.out.stride[0] + first * a.out.stride[1];
            for_each_columns<T, stencil_vectors(r.value)>(block.columns, [&](auto v, int64_t ow) {
                const int64_t left = ow * S - a.before[2], pixels = v.value * L;
                t.pixels = min_of(pixels, block.columns.end - ow);
                const int64_t seen = (t.pixels - 1) * S + (a.kernel[2] - 1) * a.dilation[2] + 1;
                const bool whole = dealt || (left >= 0 && t.pixels == pixels && left + seen <= a.in.size[2]);
                for (int64_t w = 0; w < (whole ? 0 : a.kernel[2]); ++w) {
                    const Range valid = inside(left + w * a.dilation[2], 1, pixels, a.in.size[2]);
                    for (int i = 0; i < v.value; ++i)
                        masks[w * v.value + i] = lanes_between<T>(int(valid.begin) - i * L, int(valid.end) - i * L);
                }
                for (int64_t channel = channels.begin, held = -1; channel < channels.end; ++channel) {
                    const int64_t g = channel / a.group_out, from = g * group + left;
                    if (dealt && g != held)
                        for (int64_t d = kd.begin; d < kd.end; ++d)
                            for (int64_t c = 0; c < a.group_in; ++c)
                                depthwise_deal(
                                    sources, rows, row_count, from + d * a.dilation[0] * a.in.stride[0] + c * a.in.c_stride,
                                    2 * (d * a.group_in + c) * lines.phase, left, seen, a.in.size[2], lines.phase);
                    held = g;
                    t.weights = a.weights + channel * a.reduction + kd.begin * slice;
                    t.bias = broadcast(a.epilogue.bias ? a.epilogue.bias[channel] : T(0));
                    t.y = y + channel * a.out.c_stride + ow;
                    if (whole)
                        depthwise_tile<T, r.value, v.value, S>(t, WholeColumns<T>{offset, dealt ? 0 : from});
                    else if constexpr (!dealt)
                        depthwise_tile<T, r.value, v.value, S>(t, EdgeColumns<T, v.value>{offset, from, masks, a.kernel[2]});
                }
            });
        });
    });
}

// Small planes take turns under each tile, so that what depends on the shape alone is found once for many of them; large
// ones come one group after the other, for memory is read best from front to back. Weights of channels in lanes stay in the
// first-level cache from row to row.
constexpr int64_t depthwise_near_bytes = 16 << 10;

template <class T>
inline void depthwise_pixel_lanes(const ConvArgs<T>& a, int64_t task, void* workspace) {
    const Cell at = cell_of(a, task);
    const DepthwiseBlock block = depthwise_block(a, at.pixel_block);
    const Range channels = block_of(a.groups * a.group_out, 1, a.channel_blocks, at.channel_block);
    const int64_t group_bytes = a.group_in * a.in.size[0] * a.in.size[1] * a.in.size[2] * int64_t(sizeof(T));
    const int64_t together = max_of(depthwise_near_bytes / max_of(group_bytes, 1), 1) * a.group_out;
    for (int64_t first = channels.begin; first < channels.end; first += together) {
        const Range some{first, min_of(first + together, channels.end)};
        with_constant<2>(int(a.step[2]), [&](auto s) { depthwise_rows<T, s.value>(a, at, block, some, workspace); });
    }
}

// ---- channels in lanes ----

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

// How a vector of output channels gets its input channels.
enum class Spread {
    same,    // one each, as they lie
    groups,  // each lane that of its group
    one      // all from one channel
};

// Loads one channel of each group from the pixels of one row of the kernel after the other, `row` apart.
template <class T, Spread spread>
struct LaneColumns {
    int64_t from, row, channels;
    Mask<T> exists;    // of the channels that lie there
    BitsVec<T> group;  // where the group of each lane begins
    int64_t channel = 0;

    auto operator()(int64_t) {
        const int64_t at = from, c = channel;
        if (++channel == channels) {
            channel = 0;
            from += row;
        }
        if constexpr (spread == Spread::same)
            return [at](const T* pixel, int) { return load(pixel + at); };
        else if constexpr (spread == Spread::groups)
            return [at, lane = group + Bits<T>(c), this](const T* pixel, int) {
                return permute<T>(load_masked(pixel + at, exists), lane);
            };
        else
            return [at, c](const T* pixel, int) { return broadcast(pixel[at + c]); };
    }
};

// One row of a tile of pixels, channels of one panel.
template <class T>
struct DepthwisePixels {
    const T* const* pixels;
    int64_t from, slice, row;  // where the first tap lies behind them, and how far apart those of the next lie
    Range kd, kh;
    Epilogue<T> epilogue;
    T* y;
    int64_t pitch, count;
};

template <class T, int P, int S, Spread spread>
[[gnu::noinline]] void depthwise_pixels(const ConvArgs<T>& a, const DepthwisePixels<T>& t, const DepthwisePanel& panel,
                                        const T* weights) {
    const int64_t row = a.group_in * a.kernel[2];  // weights of one
    LaneColumns<T, spread> columns{0, t.row, a.group_in, first_lanes<T>(panel.channels_in), {}};
    if constexpr (spread == Spread::groups)
        for (int i = 0; i < lanes<T>; ++i) columns.group[i] = Bits<T>(i < panel.channels ? i / a.group_out * a.group_in : 0);
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
    for_each_tile(block.columns, step, [&](auto p, int64_t first) {
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

// ---- channels first with channels in lanes ----

constexpr int64_t depthwise_box_bytes = 96 << 10;  // more or less, of a box and its sums

// The part of an axis of the input that a range of outputs sees: positions first, first + apart, ..., those inside the
// input. One output sees its taps alone, several everything between them too.
struct BoxAxis {
    int64_t origin, apart, tap;  // of the first output; between positions; positions between taps
    Range held;                  // positions, counted from the origin, that are inside

    template <class T>
    BoxAxis(const ConvArgs<T>& a, int axis, Range outputs) {
        const bool one = outputs.count() == 1;
        origin = outputs.begin * a.step[axis] - a.before[axis];
        apart = one ? a.dilation[axis] : 1;
        tap = one ? 1 : a.dilation[axis];
        held = inside(origin, apart, most(a, axis, outputs.count()), a.in.size[axis]);
    }
    template <class T>
    static int64_t most(const ConvArgs<T>& a, int axis, int64_t outputs) {
        return outputs == 1 ? a.kernel[axis] : (outputs - 1) * a.step[axis] + (a.kernel[axis] - 1) * a.dilation[axis] + 1;
    }
    int64_t input(int64_t position) const { return origin + position * apart; }
};

// How many rows and columns of outputs share a box.
template <class T>
struct DepthwiseBox {
    int64_t rows, columns;
    int64_t pixel;        // elements, whole vectors of the input channels of a panel
    int64_t sums, bytes;  // where its sums lie, and how large it is with them

    explicit DepthwiseBox(const ConvArgs<T>& a) {
        const int64_t blocks = a.pixel_blocks / a.column_blocks;
        rows = max_of(min_of(a.out.size[1], parts_of(a.out.size[0] * a.out.size[1], blocks)), 1);
        const int64_t units = parts_of(parts_of(a.out.size[2], a.column_unit), a.column_blocks);
        columns = max_of(min_of(a.out.size[2], units * a.column_unit), 1);
        pixel = parts_of(a.group_in, lanes<T>) * lanes<T>;
        while (columns > 1 && size(a, 1, columns) > depthwise_box_bytes) columns = parts_of(columns, 2);
        while (rows > 1 && size(a, rows, columns) > depthwise_box_bytes) rows = parts_of(rows, 2);
        bytes = size(a, rows, columns);
        sums = bytes - sums_of(rows, columns);
    }

   private:
    static int64_t sums_of(int64_t rows, int64_t columns) {  // whole blocks of lanes x lanes
        return (parts_of(rows * columns, lanes<T>) + 1) * lanes<T> * vector_bytes;
    }
    int64_t size(const ConvArgs<T>& a, int64_t rows, int64_t columns) const {
        const auto along = [&](int axis, int64_t outputs) {
            return min_of(BoxAxis::most(a, axis, outputs), a.in.size[axis]);
        };
        return along(0, 1) * along(1, rows) * along(2, columns) * pixel * int64_t(sizeof(T)) + sums_of(rows, columns);
    }
};

// Pixel m of `channels` planes, no more than lanes, becomes a vector: to[m * pitch + c] = from[c * c_stride + m * step].
template <class T>
inline void gather_channels(const T* from, int64_t c_stride, int channels, int64_t pixels, int64_t step, T* to,
                            int64_t pitch) {
    constexpr int L = lanes<T>;
    if (step != 1) {
        for (int64_t m = 0; m < pixels; ++m)
            for (int c = 0; c < channels; ++c) to[m * pitch + c] = from[c * c_stride + m * step];
        return;
    }
    for (int64_t m = 0; m < pixels; m += L) {
        const int height = clamp_lanes(pixels - m, L);
        const Mask<T> exists = first_lanes<T>(height);
        Vec<T> block[L];
#pragma GCC unroll 16
        for (int c = 0; c < L; ++c)
            block[c] = c >= channels ? Vec<T>{}
                       : height == L ? load(from + c * c_stride + m)
                                     : load_masked(from + c * c_stride + m, exists);
        transpose<T>(block);
#pragma GCC unroll 16
        for (int i = 0; i < L; ++i)
            if (i < height) store(to + (m + i) * pitch, block[i]);
    }
}

template <class T>
inline void depthwise_fill_box(const ConvArgs<T>& a, const BoxAxis& d, const BoxAxis& h, const BoxAxis& w, const T* x,
                               int channels, T* box, int64_t pixel) {
    const int64_t columns = w.held.count(), rows = h.held.count();
    const bool together = columns == a.in.size[2] && h.apart == 1 && w.apart == 1;  // whole rows follow each other
    for (int64_t i = d.held.begin; i < d.held.end; ++i)
        for (int64_t j = 0; j < (together ? 1 : rows); ++j) {
            const T* from =
                x + d.input(i) * a.in.stride[0] + h.input(h.held.begin + j) * a.in.stride[1] + w.input(w.held.begin);
            T* to = box + ((i - d.held.begin) * rows + j) * columns * pixel;
            for (int c = 0; c < channels; c += lanes<T>)
                gather_channels(from + c * a.in.c_stride, a.in.c_stride, clamp_lanes(channels - c, lanes<T>),
                                together ? rows * columns : columns, w.apart, to + c, pixel);
        }
}

// The outputs of one box: slice od, some rows and columns of one panel.
template <class T, int S>
inline void depthwise_do_box(const ConvArgs<T>& a, const DepthwisePanel& panel, const T* weights, const T* x, T* y,
                             int64_t od, Range rows, Range columns, const T** pixels, T* box, T* sums, int64_t pixel) {
    constexpr int L = lanes<T>;
    const BoxAxis d(a, 0, {od, od + 1}), h(a, 1, rows), w(a, 2, columns);
    const int64_t row = w.held.count() * pixel, slice = h.held.count() * row;
    if (slice) depthwise_fill_box(a, d, h, w, x, panel.channels_in, box, pixel);

    Epilogue<T> bias = a.epilogue;
    bias.activation = Activation::none;
    const int64_t step = tile_step(S, a.step[2], a.dilation[2], a.kernel[2]);
    const Range kd = taps_inside(a, 0, od);
    for_each_tile(columns, step, [&](auto p, int64_t first) {
        for_each_position<p.value, S>(a, 2, first, step, [&](int64_t i, int64_t iw) {
            const int64_t position = (iw - w.origin) / w.apart;
            pixels[i] = 0 <= iw && iw < a.in.size[2] ? box + (position - w.held.begin) * pixel : nullptr;
        });
        for (int64_t oh = rows.begin; oh < rows.end; ++oh) {
            const int64_t top = (oh - rows.begin) * a.step[1] - h.held.begin;
            const DepthwisePixels<T> t{pixels,
                                       top * row - d.held.begin * slice,
                                       slice,
                                       h.tap * row,
                                       kd,
                                       taps_inside(a, 1, oh),
                                       bias,
                                       sums + ((oh - rows.begin) * columns.count() + first - columns.begin) * L,
                                       p.value > 1 ? step * L : 0,
                                       L};
            depthwise_panel<T, p.value, S>(a, t, panel, weights);
        }
    });

    const bool together = columns.count() == a.out.size[2];
    T* to = y + od * a.out.stride[0] + rows.begin * a.out.stride[1] + columns.begin;
    for (int64_t j = 0; j < (together ? 1 : rows.count()); ++j)
        finish_transposed(a.epilogue, sums + j * columns.count() * L, L, columns.count() * (together ? rows.count() : 1),
                          panel.channels, to + j * a.out.stride[1], a.out.c_stride);
}

template <class T, int S>
inline void depthwise_boxes(const ConvArgs<T>& a, int64_t task, void* workspace) {
    const Cell at = cell_of(a, task);
    const DepthwiseBlock block = depthwise_block(a, at.pixel_block);
    const DepthwisePanel panel = DepthwisePanels<T>(a)(a, at.channel_block);
    const DepthwiseBox<T> size(a);
    char* memory = static_cast<char*>(workspace) + depthwise_positions(a, 2, S);
    const T* x = a.x + at.n * a.in.n_stride + panel.in * a.in.c_stride;
    T* y = a.y + at.n * a.out.n_stride + panel.out * a.out.c_stride;
    for_each_slice(a, block.rows, [&](int64_t od, Range rows) {
        for (int64_t oh = rows.begin; oh < rows.end; oh += size.rows)
            for (int64_t ow = block.columns.begin; ow < block.columns.end; ow += size.columns)
                depthwise_do_box<T, S>(a, panel, a.weights + at.channel_block * a.reduction * lanes<T>, x, y, od,
                                       {oh, min_of(rows.end, oh + size.rows)},
                                       {ow, min_of(block.columns.end, ow + size.columns)}, static_cast<const T**>(workspace),
                                       reinterpret_cast<T*>(memory), reinterpret_cast<T*>(memory + size.sums), size.pixel);
    });
}

// ---- all of them ----

// Calls f(Constant<S>): inputs of neighbours lie one or two dilations apart, or none are shared.
template <class F>
inline void with_shared(int64_t stride, int64_t dilation, const F& f) {
    if (stride == 2 * dilation) return f(Constant<2>{});
    if (dilation % stride == 0) return f(Constant<1>{});
    f(Constant<0>{});
}

template <class T>
void depthwise(const ConvArgs<T>& a, int64_t task, void* workspace) {
    if (a.pixel_lanes) return depthwise_pixel_lanes(a, task, workspace);
    with_shared(a.step[2], a.dilation[2], [&](auto s) {
        if (a.channels_first)
            depthwise_boxes<T, s.value>(a, task, workspace);
        else
            depthwise_channels_last<T, s.value>(a, task, workspace);
    });
}

template <class T>
int64_t depthwise_workspace(const ConvArgs<T>& a) {
    if (a.pixel_lanes) return DepthwiseLines<T>(a).bytes;
    int64_t bytes = 0;
    with_shared(a.step[2], a.dilation[2], [&](auto s) { bytes = depthwise_positions(a, 2, s.value); });
    return bytes + (a.channels_first ? DepthwiseBox<T>(a).bytes : 0);
}

// ---- weights ----

template <class T>
int64_t depthwise_panels(const ConvArgs<T>& a) {
    return DepthwisePanels<T>(a).count;
}

template <class T>
void depthwise_pack(const ConvArgs<T>& a, const WeightSource<T>& w, T* to) {
    const auto value = [&](int64_t channel, int64_t k) { return w.data[channel * w.channel_stride + k * w.product_stride]; };
    if (a.pixel_lanes) {
        for (int64_t channel = 0; channel < a.groups * a.group_out; ++channel)
            for (int64_t k = 0; k < a.reduction; ++k) to[channel * a.reduction + w.product[k]] = value(channel, k);
        return;
    }
    const DepthwisePanels<T> panels(a);
    for (int64_t i = 0; i < panels.count; ++i, to += a.reduction * lanes<T>) {
        const DepthwisePanel panel = panels(a, i);
        for (int64_t k = 0; k < a.reduction; ++k)
            for (int lane = 0; lane < lanes<T>; ++lane)
                to[w.product[k] * lanes<T> + lane] = lane < panel.channels ? value(panel.out + lane, k) : T(0);
    }
}

}  // namespace
}  // namespace fastconv
