// What happens to a finished sum, which began with the bias: y = activation(sum + residual), stored once.
//
// Tiles end with channels in lanes or with pixels in lanes; the output has channels last or first. Where the two agree,
// rows are stored as they are, straight from the registers; where not, blocks of lanes x lanes are transposed in registers
// on the way. Residuals are added and bounds applied in the registers too; the other activations in a second pass over what
// was just stored.
#pragma once

#include "args.hpp"
#include "math.hpp"
#include "tile.hpp"

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

// The bias from a channel on, or nothing.
template <class T>
inline const T* bias_of(const Epilogue<T>& e, int64_t channel) {
    return e.bias ? e.bias + channel : nullptr;
}

// What is added to the outputs that begin at y, if anything is.
template <class T>
inline const T* residual_of(const Epilogue<T>& e, const T* y) {
    return e.residual ? e.residual + (y - e.y) : nullptr;
}

// Activates rows that lie in y already, `count` values each.
template <class T>
[[gnu::noinline]] void activate_rows(const Epilogue<T>& e, T* y, int64_t pitch, int64_t rows, int64_t count) {
    for (int64_t m = 0; m < rows; ++m)
        for (int64_t i = 0; i < count; i += lanes<T>) {
            T* at = y + m * pitch + i;
            if (const int n = clamp_lanes(count - i, lanes<T>); n == lanes<T>)
                store(at, activate(e, load(at)));
            else
                store_partial(at, activate(e, load_partial(at, n)), n);
        }
}

inline bool in_second_pass(Activation a) { return a != Activation::none && a != Activation::clamp; }

// A tile in registers whose rows are rows of y: channels first with pixels in lanes, channels last with channels in lanes.
// `count` columns exist, which end in the tile's last vector.
template <class T, int M, int V>
FASTCONV_INLINE void finish_tile(const Epilogue<T>& e, Tile<T, M, V>& tile, T* y, int64_t pitch, int64_t count) {
    if (const T* residual = residual_of(e, y)) tile.add_from(residual, pitch, count);
    if (e.activation == Activation::clamp) tile.clamp(e.low, e.high);
    tile.store_to(y, pitch, count);
    if (in_second_pass(e.activation)) activate_rows(e, y, pitch, M, count);
}

// The same for rows that wait in a buffer, any number of them and of columns.
template <class T>
inline void finish_rows(const Epilogue<T>& e, const T* c, int64_t c_pitch, int64_t rows, T* y, int64_t y_pitch,
                        int64_t count) {
    const T* residual = residual_of(e, y);
    for (int64_t m = 0; m < rows; ++m)
        for (int64_t i = 0; i < count; i += lanes<T>) {
            Vec<T> v = load(c + m * c_pitch + i);
            const int64_t at = m * y_pitch + i;
            if (const int n = clamp_lanes(count - i, lanes<T>); n == lanes<T>) {
                if (residual) v += load(residual + at);
                store(y + at, activate(e, v));
            } else {
                if (residual) v += load_partial(residual + at, n);
                store_partial(y + at, activate(e, v), n);
            }
        }
}

// Rows of a buffer become columns of y: row m of c is a pixel, its `channels` values go c_stride apart, channels first.
// c must be readable up to whole blocks of lanes rows and columns.
template <class T>
inline void finish_transposed(const Epilogue<T>& e, const T* c, int64_t pitch, int64_t pixels, int64_t channels, T* y,
                              int64_t c_stride) {
    constexpr int L = lanes<T>;
    const bool clamps = e.activation == Activation::clamp;
    const T* residual = residual_of(e, y);
    for (int64_t j = 0; j < channels; j += L) {
        const int width = clamp_lanes(channels - j, L);
        for (int64_t m = 0; m < pixels; m += L) {
            const int height = clamp_lanes(pixels - m, L);
            const int64_t first = j * c_stride + m;
            if (height == 1) {  // a lone pixel, such as the last of 7 x 7, is not worth a transpose
                for (int i = 0; i < width; ++i) {
                    const int64_t at = first + i * c_stride;
                    const T v = residual ? c[m * pitch + j + i] + residual[at] : c[m * pitch + j + i];
                    y[at] = clamps ? at_most(at_least(v, e.low), e.high) : v;
                }
                continue;
            }
            Vec<T> block[L];
#pragma GCC unroll 16
            for (int i = 0; i < L; ++i) block[i] = load(c + (m + i) * pitch + j);
            transpose<T>(block);
            const auto store_channels = [&](int count, const auto& get, const auto& put) {
#pragma GCC unroll 16
                for (int i = 0; i < L; ++i)
                    if (i < count) {
                        const int64_t at = first + i * c_stride;
                        Vec<T> v = block[i];
                        if (residual) v += get(residual + at);
                        put(y + at, clamps ? at_most(at_least(v, broadcast(e.low)), broadcast(e.high)) : v);
                    }
            };
            if (height == L) {
                store_channels(width, [](const T* p) { return load(p); }, [](T* p, Vec<T> v) { store(p, v); });
                continue;
            }
            const Mask<T> exists = first_lanes<T>(height);
            store_channels(
                width, [&](const T* p) { return load_masked(p, exists); },
                [&](T* p, Vec<T> v) { store_masked(p, v, exists); });
        }
    }
    if (in_second_pass(e.activation)) activate_rows(e, y, c_stride, channels, pixels);
}

// Rows of a buffer that are pixels, channels in lanes, whichever way the channels of y lie.
template <class T>
inline void finish_pixels(const Epilogue<T>& e, const T* c, int64_t pitch, int64_t pixels, int64_t channels, T* y,
                          int64_t c_stride, int64_t pixel_stride) {
    if (c_stride == 1)
        finish_rows(e, c, pitch, pixels, y, pixel_stride, channels);
    else
        finish_transposed(e, c, pitch, pixels, channels, y, c_stride);
}

}  // namespace
}  // namespace fastconv
