// What happens to a finished sum: y = activation(sum + bias), stored once.
//
// Tiles end with channels in lanes or with pixels in lanes; the output has channels last or first. Where the two agree,
// rows are stored as they are; where not, blocks of lanes x lanes are transposed in registers on the way.
#pragma once

#include "args.hpp"
#include "math.hpp"

namespace fastconv {
namespace {

template <class T>
inline Vec<T> activate(const Epilogue<T>& e, Vec<T> v) {
    switch (e.activation) {
        case Activation::none: return v;
        case Activation::clamp: return at_most(at_least(v, broadcast(e.low)), broadcast(e.high));
        case Activation::leaky_relu: return v < T(0) ? v * e.low : v;
        case Activation::sigmoid: return sigmoid<T>(v);
        case Activation::tanh: return tanh<T>(v);
        case Activation::silu: return v * sigmoid<T>(v);
    }
    return v;
}

inline int clamp_lanes(int64_t n, int most) { return n < most ? int(n) : most; }

// Pixels in lanes: row m of c is output channel `channel + m`, its `pixels` values lie side by side in y.
template <class T>
inline void store_channel_rows(const Epilogue<T>& e, const T* c, int64_t pitch, int rows, int64_t channel, int64_t pixels,
                               T* y, int64_t c_stride) {
    for (int m = 0; m < rows; ++m) {
        const Vec<T> bias = broadcast<T>(e.bias ? e.bias[channel + m] : T(0));
        for (int64_t i = 0; i < pixels; i += lanes<T>) {
            const Vec<T> v = activate(e, load(c + m * pitch + i) + bias);
            T* to = y + (channel + m) * c_stride + i;
            if (pixels - i >= lanes<T>)
                store(to, v);
            else
                store_partial(to, v, int(pixels - i));
        }
    }
}

// Channels in lanes: row m of c is a pixel; its `channels` values are channels `channel`, `channel + 1`, ... of y.
// y points at channel 0 of the first pixel. c must be readable up to a whole block of lanes rows.
template <class T>
inline void store_pixel_rows(const Epilogue<T>& e, const T* c, int64_t pitch, int64_t pixels, int64_t channel,
                             int64_t channels, T* y, int64_t c_stride, int64_t pixel_stride) {
    constexpr int L = lanes<T>;
    for (int64_t j = 0; j < channels; j += L) {
        const int width = clamp_lanes(channels - j, L);
        const Vec<T> bias = e.bias ? load_partial(e.bias + channel + j, width) : Vec<T>{};
        if (c_stride == 1) {
            for (int64_t m = 0; m < pixels; ++m) {
                const Vec<T> v = activate(e, load(c + m * pitch + j) + bias);
                T* to = y + m * pixel_stride + channel + j;
                if (width == L)
                    store(to, v);
                else
                    store_partial(to, v, width);
            }
            continue;
        }
        for (int64_t m = 0; m < pixels; m += L) {  // channels first: pixel_stride is 1
            const int height = clamp_lanes(pixels - m, L);
            Vec<T> block[L];
#pragma GCC unroll 16
            for (int i = 0; i < L; ++i) block[i] = activate(e, load(c + (m + i) * pitch + j) + bias);
            transpose<T>(block);
            T* to = y + (channel + j) * c_stride + m;
            for (int i = 0; i < width; ++i) {
                if (height == L)
                    store(to + i * c_stride, block[i]);
                else
                    store_partial(to + i * c_stride, block[i], height);
            }
        }
    }
}

}  // namespace
}  // namespace fastconv
