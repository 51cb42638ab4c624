// What the processor can do at most, measured: the figures that all others are shares of.
#pragma once

#include <cstdint>

namespace fastconv {

// Operations per second of a bare multiply-add loop on that many threads, for about that long.
template <class T>
double measure_peak(double seconds, int threads);

// Bytes per second that so many threads move to and fro in buffers of so many bytes together, for about that long: the
// better of loading and of copying one half to the other.
double measure_bandwidth(int64_t bytes, double seconds, int threads);

}  // namespace fastconv
