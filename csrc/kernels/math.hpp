// exp, log, sigmoid, tanh on vectors, to a few units in the last place.
//
// x = n ln 2 + r with n an integer and |r| <= ln(2)/2, so e^x = 2^n (1 + p(r)) with p(r) = e^r - 1. The Taylor series of
// p, cut where the next term is below a tenth of a unit in the last place, needs 7 terms in float32 and 13 in float64.
// ln 2 is subtracted in two parts, the first with trailing zeros, so that r is exact even without fused multiply-add
// (W. J. Cody and W. Waite, Software Manual for the Elementary Functions, 1980).
#pragma once

#include "simd.hpp"

namespace fastconv {
namespace {

template <class T>
struct Float;

template <>
struct Float<float> {
    using Int = int32_t;
    static constexpr int mantissa = 23, bias = 127, terms = 7;
    static constexpr float round = 0x1.8p23f;  // adding this leaves the nearest integer in the low bits
    static constexpr float log2e = 0x1.715476p0f, ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;
    static constexpr float exp_min = -104.0f, exp_max = 89.0f;  // beyond: 0 and infinity
    static constexpr int log_terms = 5;
    static constexpr Int sqrt_half = 0x3f3504f3;  // the bits of sqrt(1/2)
};

template <>
struct Float<double> {
    using Int = int64_t;
    static constexpr int mantissa = 52, bias = 1023, terms = 13;
    static constexpr double round = 0x1.8p52;
    static constexpr double log2e = 0x1.71547652b82fep0, ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;
    static constexpr double exp_min = -746.0, exp_max = 710.0;
    static constexpr int log_terms = 11;
    static constexpr Int sqrt_half = 0x3fe6a09e667f3bcd;
};

template <class T>
struct IntsOf {
    typedef typename Float<T>::Int type __attribute__((vector_size(vector_bytes)));
};
template <class T>
using Ints = typename IntsOf<T>::type;

template <class T>
inline Vec<T> power_of_two(Ints<T> n) {  // for normal results only
    return (Vec<T>)((n + Float<T>::bias) << Float<T>::mantissa);
}

// Splits x into 2^n and p = e^r - 1.
template <class T>
inline Vec<T> reduce_exp(Vec<T> x, Ints<T>& n) {
    using F = Float<T>;
    const Vec<T> shifted = multiply_add<T>(x, broadcast(F::log2e), broadcast(F::round));
    n = (Ints<T>)shifted - (Ints<T>)broadcast<T>(F::round);
    const Vec<T> k = shifted - F::round;
    const Vec<T> r = multiply_add<T>(k, broadcast(-F::ln2_low), multiply_add<T>(k, broadcast(-F::ln2_high), x));
    Vec<T> p = broadcast<T>(1);
#pragma GCC unroll 16
    for (int i = F::terms; i > 1; --i)
        p = multiply_add<T>(p * r, broadcast(T(1.0 / i)), broadcast(T(1)));  // Horner: r (1 + r/2 (1 + r/3 (...)))
    return p * r;
}

template <class T>
inline Vec<T> exp(Vec<T> x) {
    x = at_most(at_least(x, broadcast<T>(Float<T>::exp_min)), broadcast<T>(Float<T>::exp_max));
    Ints<T> n;
    const Vec<T> p = reduce_exp<T>(x, n);
    const Ints<T> half = n >> 1;  // in two steps, since 2^n itself may overflow or be subnormal
    return (p + T(1)) * power_of_two<T>(half) * power_of_two<T>(n - half);
}

// Of positive normal numbers; NaN and infinity stay. x = 2^n m with m between sqrt(1/2) and sqrt(2), so that
// ln x = n ln 2 + 2 artanh(f) with f = (m - 1) / (m + 1), |f| < 0.172; the series of artanh in f^2 is cut as that of exp is.
template <class T>
inline Vec<T> log(Vec<T> x) {
    using F = Float<T>;
    const Ints<T> n = ((Ints<T>)x - F::sqrt_half) >> F::mantissa;
    const Vec<T> m = (Vec<T>)((Ints<T>)x - (n << F::mantissa)), k = __builtin_convertvector(n, Vec<T>);
    const Vec<T> f = (m - T(1)) / (m + T(1)), f2 = f * f;
    Vec<T> p = broadcast<T>(T(1.0 / (2 * F::log_terms + 1)));
#pragma GCC unroll 16
    for (int i = F::log_terms - 1; i > 0; --i) p = multiply_add<T>(p, f2, broadcast(T(1.0 / (2 * i + 1))));
    const Vec<T> twice = f + f;
    const Vec<T> low = multiply_add<T>(k, broadcast(F::ln2_low), twice * f2 * p);
    const Vec<T> result = multiply_add<T>(k, broadcast(F::ln2_high), twice + low);
    return x < std::numeric_limits<T>::infinity() ? result : x;
}

// 1 / (1 + e^-x), from e^-|x| so that neither tail loses its relative accuracy.
template <class T>
inline Vec<T> sigmoid(Vec<T> x) {
    const Vec<T> e = exp<T>(x > T(0) ? -x : x);
    return (x > T(0) ? broadcast<T>(1) : e) / (e + T(1));
}

// -expm1(-2|x|) / (2 + expm1(-2|x|)) with the sign of x; accurate near zero, where e^2x - 1 would cancel.
template <class T>
inline Vec<T> tanh(Vec<T> x) {
    const Ints<T> sign = (Ints<T>)x & (Ints<T>)broadcast<T>(T(-0.0));
    const Vec<T> magnitude = (Vec<T>)((Ints<T>)x ^ sign);
    const T least = -T(2 * Float<T>::mantissa);  // tanh is 1 long before
    Ints<T> n;
    const Vec<T> p = reduce_exp<T>(at_least(magnitude * T(-2), broadcast<T>(least)), n);
    const Vec<T> scale = power_of_two<T>(n);
    const Vec<T> expm1 = multiply_add<T>(p, scale, scale - T(1));
    return (Vec<T>)((Ints<T>)((T(0) - expm1) / (expm1 + T(2))) ^ sign);  // 0 - 0 is +0, as -0 is not
}

}  // namespace
}  // namespace fastconv
