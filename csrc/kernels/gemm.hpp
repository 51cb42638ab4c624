// A matrix product whose one factor is packed weights and whose other is a panel of pixels, wherever that lies:
// in the input itself (pointwise.hpp) or in a buffer of gathered patches (im2col.hpp).
//
// Pixels in lanes: c[oc][pixel] += w[oc][k] * panel[k][pixel], rows of the panel `pitch` apart.
//     Packed weights: [group][tile][k][row], tiles of nearly equal height.
// Channels in lanes: c[pixel][oc] += panel(pixel, k) * w[k][oc].
//     Packed weights: [group][panel][k][channel_block], zeros behind the last channel.
#pragma once

#include "direct.hpp"

namespace fastconv {
namespace {

// One tile of output channels and at most a vector tile of pixels: adds products k, the first of them to nothing.
// `tile` points at the tile's packed weights for all of the reduction. `whole` says that the panel may be read up to full
// vectors, whatever they hold.
template <class T>
inline void gemm_pixel_lanes(T* c, const T* tile, int64_t rows, Range k, const T* panel, int64_t pitch, int64_t pixels,
                             bool whole) {
    with_vectors<T>(pixels, [&](auto v) {
        with_constant<tile_rows>(int(rows), [&](auto m) {
            const InterleavedRows<T, m.value> a{tile + k.begin * m.value};
            const auto add = [&](const auto& columns) {
                multiply<T, m.value, v.value>(c, tile_pitch<T>, k.begin == 0, a, columns, k.count());
            };
            if (whole || pixels == v.value * lanes<T>)
                add(Columns<T>{panel, pitch});
            else
                add(PartialColumns<T>{panel, pitch, int(pixels)});
        });
    });
}

// At most tile_rows pixels and one panel of channel_block output channels: adds products k, the first of them to nothing.
// `rows` begins at product k.begin.
template <class T, class Rows>
inline void gemm_channel_lanes(T* c, const T* weights, int64_t channel_block, Range k, const Rows& rows, int64_t pixels) {
    const Columns<T> columns{weights + k.begin * channel_block, channel_block};
    with_vectors<T>(channel_block, [&](auto v) {
        with_constant<tile_rows>(int(pixels), [&](auto m) {
            multiply<T, m.value, v.value>(c, tile_pitch<T>, k.begin == 0, rows, columns, k.count());
        });
    });
}

}  // namespace
}  // namespace fastconv
