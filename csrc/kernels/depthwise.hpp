// Depthwise convolution: one input channel a group, any multiplier, kernel extent, stride and dilation.
//
//     y[n, g * multiplier + q, o] = sum over taps t of x[n, g, o * stride + t * dilation - before] * w[g, q, t]
//
// Channels first, pixels in lanes. Input rows are copied once into a ring of lines with their padding in place and, for
// stride s, split into s phases (column j goes to phase j % s), so that every tap of every stride reads neighbours.
//     Task: group, block of multiples, image, block of output rows. Weights as they come: [group][multiple][kd][kh][kw].
//     Workspace: offset of each tap in a line, the input row each line holds, the lines.
// Channels last, channels in lanes; padding is skipped.
//     Task: image, block of output rows. Packed weights: [multiple][kd][kh][kw][group].
#pragma once

#include "copy.hpp"
#include "epilogue.hpp"
#include "grid.hpp"
#include "tile.hpp"

namespace fastconv {
namespace {

constexpr int64_t depthwise_columns = 512;  // outputs of a row worked on at a time: bounds the workspace

template <class T>
struct DepthwiseLines {
    int64_t columns, phase, line, lines_high, lines;  // extents of the ring, in elements and lines
    int64_t offsets, held, data, bytes;               // where its parts lie, in bytes

    explicit DepthwiseLines(const ConvArgs<T>& a) {
        const int64_t step = a.step[2], reach = (a.kernel[2] - 1) * a.dilation[2];
        columns = min_of(a.out.size[2], depthwise_columns);
        phase = (columns + lanes<T> - 1) / lanes<T> * lanes<T> + reach / step + 1;
        line = phase * step;
        lines_high = (a.kernel[1] - 1) * a.dilation[1] + 1;
        lines = lines_high * a.kernel[0];
        offsets = 0;
        held = a.kernel[2] * int64_t(sizeof(int64_t));
        data = (held + lines * int64_t(sizeof(int64_t)) + vector_bytes - 1) / vector_bytes * vector_bytes;
        bytes = data + lines * line * int64_t(sizeof(T));
    }
};

template <class T>
int64_t depthwise_workspace(const ConvArgs<T>& a) {
    return a.channels_first ? DepthwiseLines<T>(a).bytes : 0;
}

// One input row from padded column `left` on, split into phases.
template <class T>
inline void depthwise_load_line(const ConvArgs<T>& a, const DepthwiseLines<T>& ring, T* line, const T* row, int64_t left,
                                int64_t width) {
    const int64_t step = a.step[2];
    for (int64_t p = 0; p < step; ++p) {
        T* to = line + p * ring.phase;
        const Range valid = inside(left + p, step, max_of(parts_of(width - p, step), 0), a.in.size[2]);
        zero_run(to, valid.begin);
        copy_run(to + valid.begin, row + left + p + valid.begin * step, valid.count(), step);
        zero_run(to + valid.end, ring.phase - valid.end);  // lanes behind the last output read these
    }
}

// One output row of one channel from the lines under it: lines(d, h) is where the line of a tap begins.
template <class T, class Lines>
inline void depthwise_row(const ConvArgs<T>& a, const Lines& lines, const int64_t* offset, Range kd, Range kh,
                          int64_t channel, T* y, int64_t columns) {
    constexpr int V = 4, L = lanes<T>;
    const T* weights = a.weights + channel * a.reduction;
    const Vec<T> bias = broadcast<T>(a.epilogue.bias ? a.epilogue.bias[channel] : T(0));
    for (int64_t i = 0; i < columns; i += V * L)
        with_constant<V>(int(min_of(parts_of(columns - i, L), V)), [&](auto vectors) {
            Vec<T> sum[vectors.value] = {};
            for (int64_t d = kd.begin; d < kd.end; ++d)
                for (int64_t h = kh.begin; h < kh.end; ++h) {
                    const T* line = lines(d, h) + i;
                    const T* tap = weights + (d * a.kernel[1] + h) * a.kernel[2];
                    for (int64_t w = 0; w < a.kernel[2]; ++w) {
                        const Vec<T> weight = broadcast(tap[w]);
#pragma GCC unroll 4
                        for (int v = 0; v < vectors.value; ++v) sum[v] += weight * load(line + offset[w] + v * L);
                    }
                }
#pragma GCC unroll 4
            for (int v = 0; v < vectors.value; ++v) {
                const int count = clamp_lanes(columns - i - v * L, L);
                const Vec<T> out = activate(a.epilogue, sum[v] + bias);
                if (count == L)
                    store(y + i + v * L, out);
                else
                    store_partial(y + i + v * L, out, count);
            }
        });
}

template <class T>
inline void depthwise_channels_first(const ConvArgs<T>& a, int64_t task, void* memory) {
    const Cell at = cell_of(a, task);
    const DepthwiseLines<T> ring(a);
    char* bytes = static_cast<char*>(memory);
    int64_t* offset = reinterpret_cast<int64_t*>(bytes + ring.offsets);
    int64_t* held = reinterpret_cast<int64_t*>(bytes + ring.held);
    T* lines = reinterpret_cast<T*>(bytes + ring.data);

    const T* x = a.x + at.n * a.in.n_stride + at.group * a.in.c_stride;
    T* y = a.y + at.n * a.out.n_stride;
    const int64_t first_channel = at.group * a.group_out + part_begin(a.group_out, a.channel_blocks, at.channel_block);
    const int64_t last_channel = at.group * a.group_out + part_begin(a.group_out, a.channel_blocks, at.channel_block + 1);
    const Range rows = block_of(a.out.size[0] * a.out.size[1], 1, a.pixel_blocks, at.pixel_block);
    for (int64_t w = 0; w < a.kernel[2]; ++w)
        offset[w] = w * a.dilation[2] % a.step[2] * ring.phase + w * a.dilation[2] / a.step[2];

    for (int64_t column = 0; column < a.out.size[2]; column += ring.columns) {
        const int64_t columns = min_of(ring.columns, a.out.size[2] - column);
        const int64_t left = column * a.step[2] - a.before[2];
        const int64_t width = (columns - 1) * a.step[2] + (a.kernel[2] - 1) * a.dilation[2] + 1;
        for (int64_t i = 0; i < ring.lines; ++i) held[i] = -1;
        for (int64_t row = rows.begin; row < rows.end; ++row) {
            const int64_t od = row / a.out.size[1], oh = row % a.out.size[1];
            const Range kd = taps_inside(a, 0, od), kh = taps_inside(a, 1, oh);
            const int64_t front = od * a.step[0] - a.before[0], top = oh * a.step[1] - a.before[1];
            const auto place = [&](int64_t d, int64_t h) {
                return d * ring.lines_high + (top + h * a.dilation[1]) % ring.lines_high;
            };
            for (int64_t d = kd.begin; d < kd.end; ++d)
                for (int64_t h = kh.begin; h < kh.end; ++h) {
                    const int64_t id = front + d * a.dilation[0], ih = top + h * a.dilation[1], i = place(d, h);
                    if (held[i] == id * a.in.size[1] + ih) continue;
                    held[i] = id * a.in.size[1] + ih;
                    depthwise_load_line(a, ring, lines + i * ring.line, x + id * a.in.stride[0] + ih * a.in.stride[1], left,
                                        width);
                }
            T* to = y + od * a.out.stride[0] + oh * a.out.stride[1] + column;
            for (int64_t channel = first_channel; channel < last_channel; ++channel)
                depthwise_row(
                    a, [&](int64_t d, int64_t h) { return lines + place(d, h) * ring.line; }, offset, kd, kh, channel,
                    to + channel * a.out.c_stride, columns);
        }
    }
}

// Where the first tap of an output pixel lies in the input, and which of its taps are inside.
struct Window {
    int64_t origin;
    Range d, h, w;
};

// P neighbouring pixels with the same taps inside, V vectors of channels from g on, the last perhaps partial, multiple q.
template <class T, int P, int V>
inline void depthwise_pixels(const ConvArgs<T>& a, const Window& window, const T* x, T* y, int64_t q, int64_t g) {
    constexpr int L = lanes<T>;
    const int64_t width = min_of(a.groups - g, V * L), multiplier = a.group_out;
    const int64_t tap_step = a.dilation[2] * a.in.stride[2], pixel_step = a.step[2] * a.in.stride[2];
    const int rest = int(width - (V - 1) * L);
    const Mask<T> exists = first_lanes<T>(rest);
    Vec<T> sum[P][V] = {};
    for (int64_t d = window.d.begin; d < window.d.end; ++d)
        for (int64_t h = window.h.begin; h < window.h.end; ++h) {
            const T* from = x + window.origin + d * a.dilation[0] * a.in.stride[0] + h * a.dilation[1] * a.in.stride[1] +
                            window.w.begin * tap_step + g;
            const T* weights =
                a.weights + (q * a.reduction + (d * a.kernel[1] + h) * a.kernel[2] + window.w.begin) * a.groups + g;
            for (int64_t w = window.w.begin; w < window.w.end; ++w, from += tap_step, weights += a.groups) {
                const auto add = [&](const auto& pixels, const auto& tap) {
#pragma GCC unroll 4
                    for (int v = 0; v < V; ++v) {
                        const Vec<T> weight = tap.at(0, v);
#pragma GCC unroll 4
                        for (int p = 0; p < P; ++p) sum[p][v] += pixels.at(p, v) * weight;
                    }
                };
                if (rest == L)
                    add(Columns<T>{from, pixel_step}, Columns<T>{weights, 0});
                else
                    add(PartialColumns<T>{from, pixel_step, V - 1, exists}, PartialColumns<T>{weights, 0, V - 1, exists});
            }
        }
    for (int p = 0; p < P; ++p, y += a.out.stride[2])
        for (int v = 0; v < V; ++v) {
            const int count = clamp_lanes(width - v * L, L);
            const int64_t channel = (g + v * L) * multiplier + q;
            Vec<T> out = sum[p][v];
            if (multiplier == 1) {
                if (a.epilogue.bias) out += load_partial(a.epilogue.bias + channel, count);
                store_partial(y + channel, activate(a.epilogue, out), count);
                continue;
            }
            if (a.epilogue.bias)
                for (int i = 0; i < count; ++i) out[i] += a.epilogue.bias[channel + i * multiplier];
            out = activate(a.epilogue, out);
            for (int i = 0; i < count; ++i) y[channel + i * multiplier] = out[i];
        }
}

// All channels of P neighbouring pixels. Few channels leave room for several pixels at a time, and need them: one sum
// alone would wait for the latency of each multiply-add.
template <class T, int P>
inline void depthwise_channels(const ConvArgs<T>& a, const Window& window, const T* x, T* y) {
    constexpr int V = 4 / P;
    for (int64_t q = 0; q < a.group_out; ++q)
        for (int64_t g = 0; g < a.groups; g += V * lanes<T>)
            with_constant<V>(int(parts_of(min_of(a.groups - g, V * lanes<T>), lanes<T>)),
                             [&](auto vectors) { depthwise_pixels<T, P, vectors.value>(a, window, x, y, q, g); });
}

template <class T>
inline void depthwise_channels_last(const ConvArgs<T>& a, int64_t task) {
    const int64_t n = task / a.pixel_blocks;
    const Range rows = block_of(a.out.size[0] * a.out.size[1], 1, a.pixel_blocks, task % a.pixel_blocks);
    const T* x = a.x + n * a.in.n_stride;
    const Range first_tap = inside(-a.before[2], a.step[2], a.out.size[2], a.in.size[2]);
    const Range last_tap = inside((a.kernel[2] - 1) * a.dilation[2] - a.before[2], a.step[2], a.out.size[2], a.in.size[2]);
    const int64_t together = a.groups <= lanes<T> ? 4 : a.groups <= 2 * lanes<T> ? 2 : 1;
    for (int64_t row = rows.begin; row < rows.end; ++row) {
        const int64_t od = row / a.out.size[1], oh = row % a.out.size[1];
        const int64_t origin =
            (od * a.step[0] - a.before[0]) * a.in.stride[0] + (oh * a.step[1] - a.before[1]) * a.in.stride[1];
        const Range kd = taps_inside(a, 0, od), kh = taps_inside(a, 1, oh);
        T* y = a.y + n * a.out.n_stride + od * a.out.stride[0] + oh * a.out.stride[1];
        for (int64_t ow = 0; ow < a.out.size[2];) {
            const Window window{origin + (ow * a.step[2] - a.before[2]) * a.in.stride[2], kd, kh, taps_inside(a, 2, ow)};
            T* to = y + ow * a.out.stride[2];
            if (ow < first_tap.begin || ow + together > last_tap.end || together == 1) {
                depthwise_channels<T, 1>(a, window, x, to);
                ow += 1;
            } else {
                if (together == 4)
                    depthwise_channels<T, 4>(a, window, x, to);
                else
                    depthwise_channels<T, 2>(a, window, x, to);
                ow += together;
            }
        }
    }
}

template <class T>
void depthwise(const ConvArgs<T>& a, int64_t task, void* workspace) {
    if (a.channels_first)
        depthwise_channels_first(a, task, workspace);
    else
        depthwise_channels_last(a, task);
}

}  // namespace
}  // namespace fastconv
