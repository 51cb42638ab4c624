// Convolution with few input channels in each group, one above all (depthwise), any number of output channels, kernel
// extent, stride and dilation:
//
//     y[n, oc, o] = sum over taps t and channels c of its group of x[n, c, o * stride + t * dilation - before] * w[oc, c, t]
//
// Neighbouring outputs share most of what they read: stencil.hpp. Outputs of a tile lie as far apart as lets them share it
// (with dilation 2, every other one), or each is a tile of its own.
//
// Pixels in lanes, for channels first and wide rows: a tile is some rows of one output channel, or of two or four that are
// made of the same input, times vectors of pixels, straight from the input, with stride 2 every other one of twice as many.
// Rows outside it are skipped; columns outside are lanes that are not read and count as zeros.
//     Task: group, block of its output channels, image, block of rows, block of columns.
//     Weights: [output channel][kd][c][kw][kh]. Workspace: where the rows under a tile lie.
// Channels in lanes: a tile is some pixels of a row times one vector of output channels, of as many whole groups as fill it;
// what is outside the input is skipped. Channels first, a box of the input is transposed into the workspace and the outputs
// on their way back; channels last, both stay in place.
//     Task: panel, image, block of rows, block of columns; channels last every panel.
//     Weights: [panel][kd][kh][c][kw][lane]. Workspace: where the pixels under a tile lie; the box and its sums.
#pragma once

#include "depthwise_boxes.hpp"
#include "depthwise_rows.hpp"

namespace fastconv {
namespace {

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
    if (a.pixel_lanes) return depthwise_positions(a, 1, 2);
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
    const auto value = [&](int64_t channel, int64_t k) {
        return w.data[channel / a.group_out * w.group + channel % a.group_out * w.out + w.offset[k]];
    };
    if (a.pixel_lanes) {
        for (int64_t channel = 0; channel < a.groups * a.group_out; ++channel)
            for (int64_t k = 0; k < a.reduction; ++k) to[channel * a.reduction + w.number[k]] = value(channel, k);
        return;
    }
    const DepthwisePanels<T> panels(a);
    for (int64_t i = 0; i < panels.count; ++i, to += a.reduction * lanes<T>) {
        const DepthwisePanel panel = panels(a, i);
        for (int64_t k = 0; k < a.reduction; ++k)
            for (int lane = 0; lane < lanes<T>; ++lane)
                to[w.number[k] * lanes<T> + lane] = lane < panel.channels ? value(panel.out + lane, k) : T(0);
    }
}

}  // namespace
}  // namespace fastconv
