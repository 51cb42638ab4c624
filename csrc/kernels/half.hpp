// Runs of half-sized floats, to floats and back.
#pragma once

#include "simd.hpp"

namespace fastconv {
namespace {

template <Vec<float> (*convert)(Halves::type)>
void widen_run(const uint16_t* from, int64_t count, float* to) {
    constexpr int L = lanes<float>;
    int64_t i = 0;
    for (; i + L <= count; i += L) store(to + i, convert(load_halves(from + i)));
    if (i == count) return;
    uint16_t rest[L] = {};
    for (int j = 0; j < count - i; ++j) rest[j] = from[i + j];
    store_partial(to + i, convert(load_halves(rest)), int(count - i));
}

template <Halves::type (*convert)(Vec<float>)>
void narrow_run(const float* from, int64_t count, uint16_t* to) {
    constexpr int L = lanes<float>;
    int64_t i = 0;
    for (; i + L <= count; i += L) store_halves(to + i, convert(load(from + i)));
    if (i == count) return;
    uint16_t rest[L];
    store_halves(rest, convert(load_partial(from + i, int(count - i))));
    for (int j = 0; j < count - i; ++j) to[i + j] = rest[j];
}

}  // namespace
}  // namespace fastconv
