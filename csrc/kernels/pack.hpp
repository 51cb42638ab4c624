// Weights of the dense kernels in the order in which they are read: panels of channels, or tiles of a few channels.
//
// Where output channels are neighbours (channels last), vectors of them are read as they lie; elsewhere a block of lanes
// channels x lanes elements is transposed in registers. Both are stored a product at a time.
#pragma once

#include "direct.hpp"

namespace fastconv {
namespace {

// A tile of the kernels that put pixels in lanes and interleave rows, in the terms of a panel.
template <class T>
inline Panel weight_tile(const ConvArgs<T>& a, int64_t group, int64_t i) {
    const int64_t tiles = parts_of(a.group_out, tile_rows);
    Panel p;
    p.channel = part_begin(a.group_out, tiles, i);
    p.channels = p.width = part_begin(a.group_out, tiles, i + 1) - p.channel;
    p.weights = group * a.group_out + p.channel;
    return p;
}

template <class T>
inline Panel weight_panel(const ConvArgs<T>& a, int64_t group, int64_t i) {
    return a.weight_tiles ? weight_tile(a, group, i) : panel_of(a, group, i);
}

// The panels (or tiles) that the tasks of one block of channels read.
template <class T>
inline Range weight_panels(const ConvArgs<T>& a, int64_t channel_block) {
    const int64_t all = a.weight_tiles ? parts_of(a.group_out, tile_rows) : a.panels;
    return {part_begin(all, a.channel_blocks, channel_block), part_begin(all, a.channel_blocks, channel_block + 1)};
}

constexpr int few_products = 8;  // of so many lanes one in use, and a block is not worth transposing

template <class T>
inline void pack_panel(const ConvArgs<T>& a, const WeightSource<T>& w, int64_t group, const Panel& panel, T* to) {
    constexpr int L = lanes<T>;
    const T* from = w.data + group * w.group + panel.channel * w.out;
    const int64_t vectors = parts_of(panel.width, L);
    const auto put = [&](int64_t number, int64_t v, Vec<T> values) {
        store_masked(to + number * panel.width + v * L, values, first_lanes<T>(clamp_lanes(panel.width - v * L, L)));
    };
    const auto channels = [&](int64_t v) { return between(0, int(panel.channels - v * L), L); };
    if (w.out == 1) {
        for (int64_t v = 0; v < vectors; ++v) {
            const Mask<T> exist = first_lanes<T>(channels(v));
            for (int64_t k = 0; k < a.reduction; ++k) put(w.number[k], v, load_masked(from + w.offset[k] + v * L, exist));
        }
        return;
    }
    for (int64_t k = 0; k < a.reduction;) {
        // The products within a vector's reach, each with its number; there may be others between them.
        const int64_t first = w.offset[k], begin = k;
        int64_t number[L];
        for (int i = 0; i < L; ++i) number[i] = -1;
        int span = 0;
        for (; k < a.reduction && w.offset[k] < first + L; ++k) {
            span = int(w.offset[k] - first) + 1;
            number[span - 1] = w.number[k];
        }
        if (k - begin <= L / few_products) {
            for (int64_t i = begin; i < k; ++i)
                for (int64_t v = 0; v < vectors; ++v) {
                    alignas(vector_bytes) T values[L] = {};
                    for (int j = 0; j < channels(v); ++j) values[j] = from[(v * L + j) * w.out + w.offset[i]];
                    put(w.number[i], v, load(values));
                }
            continue;
        }
        const Mask<T> products = first_lanes<T>(span);
        for (int64_t v = 0; v < vectors; ++v) {
            const int used = channels(v);
            Vec<T> block[L];
#pragma GCC unroll 16
            for (int i = 0; i < L; ++i)
                block[i] = i >= used ? Vec<T>{} : load_masked(from + (v * L + i) * w.out + first, products);
            transpose<T>(block);
#pragma GCC unroll 16
            for (int i = 0; i < L; ++i)
                if (number[i] >= 0) put(number[i], v, block[i]);
        }
    }
}

// All weights of one group.
template <class T>
void pack_group(const ConvArgs<T>& a, const WeightSource<T>& w, int64_t group, T* to) {
    const int64_t panels = a.weight_tiles ? parts_of(a.group_out, tile_rows) : a.panels;
    for (int64_t i = 0; i < panels; ++i) {
        const Panel panel = weight_panel(a, group, i);
        pack_panel(a, w, group, panel, to + panel.weights * a.reduction);
    }
}

// The weights of one group back where they were packed from; w tells where that is relative to `to`.
template <class T>
void unpack_group(const ConvArgs<T>& a, const WeightSource<T>& w, int64_t group, const T* packed, T* to) {
    const int64_t panels = a.weight_tiles ? parts_of(a.group_out, tile_rows) : a.panels;
    for (int64_t i = 0; i < panels; ++i) {
        const Panel panel = weight_panel(a, group, i);
        for (int64_t k = 0; k < a.reduction; ++k) {
            const T* from = packed + panel.weights * a.reduction + w.number[k] * panel.width;
            T* first = to + group * w.group + panel.channel * w.out + w.offset[k];
            for (int64_t c = 0; c < panel.channels; ++c) first[c * w.out] = from[c];
        }
    }
}

template <class T>
int64_t pack_size(const ConvArgs<T>& a) {
    return a.groups * a.reduction * (a.weight_tiles ? a.group_out : panel_of(a, 1, 0).weights);
}

// What one task of a call that was given its weights unpacked has to pack before it runs: its block of channels, unless
// the same thread has packed it for the task before.
template <class T>
void pack_for_task(ConvArgs<T>& a, const WeightSource<T>& w, int64_t task, T* to, int64_t& held) {
    const Cell at = cell_of(a, task);
    const Range panels = weight_panels(a, at.channel_block);
    const int64_t block = at.group * a.channel_blocks + at.channel_block;
    a.weights = to;
    a.weights_first = weight_panel(a, at.group, panels.begin).weights;
    if (held == block) return;
    held = block;
    for (int64_t i = panels.begin; i < panels.end; ++i) {
        const Panel panel = weight_panel(a, at.group, i);
        pack_panel(a, w, at.group, panel, to + (panel.weights - a.weights_first) * a.reduction);
    }
}

template <class T>
int64_t pack_size_for_task(const ConvArgs<T>& a) {
    int64_t most = 0;
    for (int64_t block = 0; block < a.channel_blocks; ++block) {
        const Range panels = weight_panels(a, block);
        int64_t width = 0;
        for (int64_t i = panels.begin; i < panels.end; ++i) width += weight_panel(a, 0, i).width;
        most = max_of(most, width);
    }
    return most * a.reduction;
}

template <class T>
T largest(const T* values, int64_t count) {
    constexpr int L = lanes<T>;
    BitsVec<T> most{};
    for (int64_t i = 0; i < count; i += L)
        most = larger(most, magnitude<T>(count - i >= L ? load(values + i) : load_partial(values + i, int(count - i))));
    Bits<T> result = 0;
    for (int i = 0; i < L; ++i) result = larger(result, Bits<T>(most[i]));
    return number<T>(result);
}

}  // namespace
}  // namespace fastconv
