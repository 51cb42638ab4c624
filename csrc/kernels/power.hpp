// Powers of magnitudes, for pooling by the norm of windows. Small whole exponents are products and 1/2 a square root, by
// vectors, which compilers make of these loops; any other is the C library's.
#pragma once

#include "simd.hpp"

namespace fastconv {
namespace {

// The running product of squares: at most 2 log2(e) roundings for a whole e.
template <int E, class T>
inline T whole_power(T x) {
    if constexpr (E == 0)
        return T(1);
    else if constexpr (E == 1)
        return x;
    else {
        const T half = whole_power<E / 2>(x);
        return E % 2 ? half * half * x : half * half;
    }
}

// Calls each(f) with f(m) = m^e of a magnitude m.
template <class T, class F>
inline void with_power(double e, const F& each) {
    constexpr int most = 4;
    if (e == 0) return each([](T) { return T(1); });
    if (e == 0.5) return each([](T m) { return sizeof(T) == 4 ? T(__builtin_sqrtf(float(m))) : T(__builtin_sqrt(m)); });
    if (e == 1 || e == 2 || e == 3 || e == most)
        return with_constant<most>(int(e), [&](auto k) { each([](T m) { return whole_power<decltype(k)::value>(m); }); });
    each([e](T m) { return sizeof(T) == 4 ? T(__builtin_powf(float(m), float(e))) : T(__builtin_pow(double(m), e)); });
}

template <class T>
inline T magnitude_of(T x) {
    return sizeof(T) == 4 ? T(__builtin_fabsf(float(x))) : T(__builtin_fabs(x));
}

template <class T>
void power(const T* x, T* y, int64_t count, double exponent) {
    with_power<T>(exponent, [&](const auto& f) {
        for (int64_t i = 0; i < count; ++i) y[i] = f(magnitude_of(x[i]));
    });
}

template <class T>
void divide_by_power(const T* x, T* y, int64_t count, double exponent) {
    with_power<T>(exponent, [&](const auto& f) {
        for (int64_t i = 0; i < count; ++i) y[i] = x[i] == T(0) ? T(0) : y[i] / f(magnitude_of(x[i]));
    });
}

template <class T>
void multiply_by_power(const T* x, T* y, int64_t count, double exponent) {
    with_power<T>(exponent, [&](const auto& f) {
        for (int64_t i = 0; i < count; ++i) {
            const T v = y[i] * f(magnitude_of(x[i]));
            y[i] = x[i] == T(0) ? T(0) : x[i] < T(0) ? -v : v;
        }
    });
}

}  // namespace
}  // namespace fastconv
