// A matrix product whose one factor is packed weights and whose other is a panel of pixels, wherever that lies:
// in the input itself (pointwise.hpp) or in a buffer of gathered patches (im2col.hpp).
//
// Channels first, pixels in lanes: c[oc][pixel] += w[oc][k] * panel[k][pixel], panel rows `pitch` apart.
//     Packed weights: [group][tile of rows_of(tile) channels][k][rows], tiles nearly equal.
// Channels last, channels in lanes: c[pixel][oc] += panel[pixel][k] * w[k][oc], panel rows `pitch` apart.
//     Packed weights: [group][panel][k][channel_block], zeros behind the last channel.
#pragma once

#include "direct.hpp"

namespace fastconv {
namespace {

// Adds products k (a range) of one tile of output channels and at most a vector tile of pixels. `tile` points at the
// tile's packed weights for all of the reduction.
template <class T>
inline void gemm_pixel_lanes(T* c, const T* tile, int64_t rows, Range k, const T* panel, int64_t pitch, int64_t pixels) {
    with_vectors<T>(pixels, [&](auto v) {
        with_constant<tile_rows>(int(rows), [&](auto m) {
            const InterleavedRows<T, m.value> a{tile + k.begin * m.value};
            if (pixels == v.value * lanes<T>)
                multiply<T, m.value, v.value>(c, tile_pitch<T>, a, Columns<T>{panel, pitch}, k.count());
            else
                multiply<T, m.value, v.value>(c, tile_pitch<T>, a, PartialColumns<T>{panel, pitch, int(pixels)},
                                              k.count());
        });
    });
}

// Adds products k of at most tile_rows pixels and one panel of channel_block output channels.
template <class T>
inline void gemm_channel_lanes(T* c, const T* weights, int64_t channel_block, Range k, const T* panel, int64_t pitch,
                               int64_t pixels) {
    const DenseRows<T> rows{panel, pitch};
    const Columns<T> columns{weights + k.begin * channel_block, channel_block};
    with_vectors<T>(channel_block, [&](auto v) {
        with_constant<tile_rows>(int(pixels), [&](auto m) {
            multiply<T, m.value, v.value>(c, tile_pitch<T>, rows, columns, k.count());
        });
    });
}

}  // namespace
}  // namespace fastconv
