// Winograd's weights U = G g G^T in the order of winograd.hpp, computed in float64 whatever their type: once for each set of
// weights, so that their rounding is the only error they bring. Output channels are in lanes.
//
// They are made from the weights of the direct kernel, which winograd_guard.hpp needs beside them: there the channels of a
// panel follow each other, however the caller's weights lie.
#pragma once

#include "copy.hpp"
#include "pack.hpp"
#include "winograd_pixel_lanes.hpp"

namespace fastconv {
namespace {

// lanes<double> numbers of type T, as doubles and back.
template <class T>
inline Vec<double> load_doubles(const T* p) {
    if constexpr (sizeof(T) == sizeof(double)) {
        return load(p);
    } else {
        typedef T Narrow __attribute__((vector_size(vector_bytes / 2)));
        Narrow narrow;
        __builtin_memcpy(&narrow, p, sizeof narrow);
        return __builtin_convertvector(narrow, Vec<double>);
    }
}
template <class T>
inline void store_as(T* p, Vec<double> v) {
    if constexpr (sizeof(T) == sizeof(double)) {
        store(p, v);
    } else {
        typedef T Narrow __attribute__((vector_size(vector_bytes / 2)));
        const Narrow narrow = __builtin_convertvector(v, Narrow);
        __builtin_memcpy(p, &narrow, sizeof narrow);
    }
}

// Some channels of one panel of a group, from its weights as direct has them.
template <class T, class W>
inline void winograd_pack_panel(const ConvArgs<T>& a, const ProductOrder& order, const Panel& panel, Range of,
                                const T* dense, T* to) {
    constexpr int taps = W::taps, positions = W::points * W::points, D = lanes<double>;
    // Lines of so many channels wait for each other: written one by one, those of all positions, which lie a power of two
    // apart, would compete for the same sets of the caches.
    constexpr int64_t waiting = 4, widest = last_vectors * lanes<T>;
    alignas(64) T lines[positions * waiting * widest];
    const int64_t width = panel.width;
    dense += of.begin * order.channel * width;
    for (int64_t first = 0; first < of.count(); first += waiting) {
        const int64_t channels = min_of(waiting, of.count() - first);
        for (int64_t c = 0; c < channels; ++c)
            for (int64_t j = 0; j < width; j += D) {
                Vec<double> g[taps * taps];
                const T* from = dense + (first + c) * order.channel * width + j;
#pragma GCC unroll 9
                for (int t = 0; t < taps * taps; ++t)
                    g[t] = load_doubles(from + (t / taps * order.tap[1] + t % taps * order.tap[2]) * width);
                T* line = lines + c * width + j;
                winograd_weights<double, W>(g, [&](int p, Vec<double> u) { store_as<T>(line + p * waiting * width, u); });
            }
        for (int p = 0; p < positions; ++p) {
            const T* line = lines + p * waiting * width;
            if (!a.pixel_lanes) {
                copy_run(to + (p * of.count() + first) * width, line, channels * width, 1);
                continue;
            }
            constexpr int64_t K = winograd_channels_at_once;  // which follow each other with tiles in lanes
            for (int64_t c = 0; c < channels; ++c)
                for (int64_t o = 0; o < width; ++o)
                    to[((o / K * positions + p) * of.count() + first + c) * K + o % K] = line[c * width + o];
        }
    }
}

template <class T, class W>
void winograd_pack(const ConvArgs<T>& a, const WeightSource<T>& w, int64_t group, int64_t i, T* dense, T* to) {
    const Panel panel = panel_of(a, group, i);
    dense += panel.weights * a.reduction;
    pack_panel(a, w, group, panel, dense);
    to += panel.weights * a.group_in * W::points * W::points;
    winograd_pack_panel<T, W>(a, w.order, panel, {0, a.group_in}, dense, to);
}

constexpr int64_t winograd_restart = 64;  // channels; see docs/winograd.md

template <class T, class W>
int64_t winograd_panel_weights(const ConvArgs<T>& a) {
    return widest_panel(a) * (winograd_restart * W::points * W::points + a.reduction);
}

}  // namespace
}  // namespace fastconv
