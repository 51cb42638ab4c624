// Winograd's weights U = G g G^T in the order of winograd.hpp, computed in float64 whatever their type: once for each set of
// weights, so that their rounding is the only error they bring. Output channels are in lanes.
#pragma once

#include "grid.hpp"
#include "winograd_pixel_lanes.hpp"

namespace fastconv {
namespace {

// Stores doubles as numbers of type T.
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

// g[0] f[0] + g[1] f[1] + g[2] f[2] of numbers `step` apart.
inline Vec<double> combined(const Vec<double>* g, int step, const double* f) {
    return multiply_add<double>(g[2 * step], broadcast(f[2]),
                                multiply_add<double>(g[step], broadcast(f[1]), g[0] * broadcast(f[0])));
}

// Task number: group, panel. `w` holds all weights as they were given.
template <class T, int m>
void winograd_pack(const ConvArgs<T>& a, const WeightSource<T>& w, int64_t task, T* to) {
    constexpr int alpha = m + 2, D = lanes<double>;
    constexpr auto& G = Winograd<m>::weights;
    const int64_t group = task / a.panels;
    const Panel panel = panel_of(a, group, task % a.panels);
    const T* from = w.data + w.origin + group * w.group + panel.channel * w.out;
    to += panel.weights * a.group_in * alpha * alpha;
    // With tiles in lanes, the channels that are computed at once follow each other.
    const int64_t at_once = a.pixel_lanes ? winograd_channels_at_once : panel.width;
    const auto put = [&](int64_t position, int64_t c, int64_t j, Vec<double> u) {
        const auto at = [&](int64_t o) {
            return to + ((o / at_once * alpha * alpha + position) * a.group_in + c) * at_once + o % at_once;
        };
        if (!a.pixel_lanes) return store_as<T>(at(j), u);
        for (int i = 0; i < D; ++i) *at(j + i) = T(u[i]);
    };
    for (int64_t c = 0; c < a.group_in; ++c)
        for (int64_t j = 0; j < panel.width; j += D) {
            const int used = between(0, int(panel.channels - j), D);
            Vec<double> g[9];
            for (int t = 0; t < 9; ++t)
                for (int i = 0; i < D; ++i)
                    g[t][i] = i < used ? double(from[(j + i) * w.out + c * w.in + t / 3 * w.tap[1] + t % 3 * w.tap[2]]) : 0;
            for (int i = 0; i < alpha; ++i) {
                Vec<double> row[3];  // of G g
                for (int q = 0; q < 3; ++q) row[q] = combined(g + q, 3, G[i]);
                for (int k = 0; k < alpha; ++k) put(i * alpha + k, c, j, combined(row, 1, G[k]));
            }
        }
}

}  // namespace
}  // namespace fastconv
