// A matrix product whose one factor is packed weights and whose other is a panel of pixels, wherever that lies:
// in the input itself (pointwise.hpp) or in a buffer of gathered patches (im2col.hpp).
//
// Pixels in lanes: y[oc][pixel] = sum_k w[oc][k] * panel[k][pixel], rows of the panel `pitch` apart.
//     Packed weights: [group][tile][k][row], tiles of nearly equal height.
// Channels in lanes: y[pixel][oc] = sum_k panel(pixel, k) * w[k][oc].
//     Packed weights: [group][panel][k][panel width], zeros behind the last channel.
//
// Lambdas are inlined, whatever GCC thinks of it: as calls they store what they capture behind the sums of the tile before,
// whose stores are what a tile of few products waits for.
//
// Where the reduction comes in several blocks, the sums wait in a buffer c.
#pragma once

#include "direct.hpp"

namespace fastconv {
namespace {

// One tile of output channels, `channels` of them, and at most a vector tile of pixels: what `begin` puts into its sums, and
// products k. `weights` points at the tile's for all of the reduction; `panel`, some kind of columns, at product k.begin.
// `whole` says that the panel may be read up to full vectors, whatever they hold.
template <class T, class Cols, class Begin, class Finish>
FASTCONV_INLINE void gemm_pixel_lanes(const T* weights, int64_t channels, Range k, const Cols& panel, int64_t pixels,
                                      bool whole, const Begin& begin, const Finish& finish) {
    with_constant<tile_vectors>(int(parts_of(pixels, lanes<T>)), [&](auto v) FASTCONV_INLINED {
        with_constant<tile_rows>(int(channels), [&](auto m) FASTCONV_INLINED {
            Tile<T, m.value, v.value> tile;
            begin(tile);
            const InterleavedRows<T, m.value> rows{weights + k.begin * m.value};
            const int rest = int(pixels - (v.value - 1) * lanes<T>);
            if (whole || rest == lanes<T>)
                tile.add(rows, panel, k.count());
            else
                tile.add(rows, PartialColumns<T>{panel.base, panel.stride, v.value - 1, first_lanes<T>(rest)}, k.count());
            finish(tile);
        });
    });
}

// At most rows_of(panel width) pixels and one panel of output channels: adds products k of `reduction`. `rows` are
// the pixels from product k.begin on. They are tile number `tile` of the `tiles` that read the panel.
template <class T, class Rows, class F>
FASTCONV_INLINE void gemm_channel_lanes(T* c, const T* weights, const T* bias, const Panel& panel, Range k,
                                        int64_t reduction, const Rows& rows, int64_t pixels, int64_t tile, int64_t tiles,
                                        const F& finish) {
    const NextPanel<T> next(panel.width, reduction, tile, tiles);
    const PanelColumns<T> columns = next.while_reading(weights, panel.width, k.begin);
    with_vectors<T>(panel.width, [&](auto v) FASTCONV_INLINED {
        with_constant<rows_of(v.value)>(int(pixels), [&](auto m) FASTCONV_INLINED {
            Tile<T, m.value, v.value> sums;
            if (k.begin == 0)
                sums.begin_columns(bias, v.value - 1, first_lanes<T>(int(panel.channels - (v.value - 1) * lanes<T>)));
            else
                sums.load_from(c, tile_pitch<T>);
            sums.add(rows, columns, k.count());
            if (k.end < reduction)
                sums.store_to(c, tile_pitch<T>);
            else
                finish(sums);
        });
    });
}

// The pixels of a tile whose panel is so wide.
inline int64_t panel_rows(int64_t vectors) { return vectors == 1 ? rows_of(1) : vectors == 2 ? rows_of(2) : rows_of(3); }

}  // namespace
}  // namespace fastconv
