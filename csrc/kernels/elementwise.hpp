// Activation functions of whole arrays, softmax, and the loops that measure what the processor can do.
#pragma once

#include "epilogue.hpp"
#include "window.hpp"

namespace fastconv {
namespace {

template <class T>
void map(const MapArgs<T>& a, int64_t begin, int64_t end) {
    constexpr int L = lanes<T>;
    int64_t i = begin;
    for (; i + L <= end; i += L) store(a.y + i, activate(a.f, load(a.x + i)));
    if (i < end) store_partial(a.y + i, activate(a.f, load_partial(a.x + i, int(end - i))), int(end - i));
}

// softmax(x)[i] = e^(x[i] - max x) / sum_j e^(x[j] - max x): the shift keeps every power in range and changes nothing.
// Columns of `inner` neighbours are worked on as vectors.
template <class T>
inline void softmax_columns(const SoftmaxArgs<T>& a, const T* x, T* y, int count) {
    Vec<T> top = Maximum<T>::identity(), sum{};
    for (int64_t i = 0; i < a.length; ++i) top = Maximum<T>::combine(top, load_partial(x + i * a.inner, count));
    for (int64_t i = 0; i < a.length; ++i) {
        const Vec<T> e = exp<T>(load_partial(x + i * a.inner, count) - top);
        sum += e;
        store_partial(y + i * a.inner, e, count);
    }
    for (int64_t i = 0; i < a.length; ++i) store_partial(y + i * a.inner, load_partial(y + i * a.inner, count) / sum, count);
}

// One contiguous row: partial results of the lanes are combined at the end, in the order of the lanes.
template <class T>
inline void softmax_row(const SoftmaxArgs<T>& a, const T* x, T* y) {
    constexpr int L = lanes<T>;
    Vec<T> tops = Maximum<T>::identity(), sums{};
    for (int64_t i = 0; i < a.length; i += L) {
        const int count = clamp_lanes(a.length - i, L);
        Vec<T> v = load_partial(x + i, count);
        for (int j = count; j < L; ++j) v[j] = x[i];
        tops = Maximum<T>::combine(tops, v);
    }
    const T top = combined_lanes<T, Maximum<T>>(tops)[0];
    T sum = T(0);
    for (int64_t i = 0; i < a.length; i += L) {
        const int count = clamp_lanes(a.length - i, L);
        Vec<T> e = exp<T>(load_partial(x + i, count) - top);
        store_partial(y + i, e, count);
        for (int j = count; j < L; ++j) e[j] = T(0);
        sums += e;
    }
    for (int j = 0; j < L; ++j) sum += sums[j];
    for (int64_t i = 0; i < a.length; i += L) {
        const int count = clamp_lanes(a.length - i, L);
        store_partial(y + i, load_partial(y + i, count) / sum, count);
    }
}

template <class T>
void softmax(const SoftmaxArgs<T>& a, int64_t outer) {
    const T* x = a.x + outer * a.length * a.inner;
    T* y = a.y + outer * a.length * a.inner;
    if (a.inner == 1) return softmax_row(a, x, y);
    for (int64_t i = 0; i < a.inner; i += lanes<T>) softmax_columns(a, x + i, y + i, clamp_lanes(a.inner - i, lanes<T>));
}

// Twelve independent chains: enough to fill two multiply-add units of latency four or five, few enough for registers.
template <class T>
int64_t peak(int64_t rounds, T* sink) {
    constexpr int chains = 12;
    Vec<T> sum[chains];
    for (int i = 0; i < chains; ++i) sum[i] = broadcast<T>(T(i));
    const Vec<T> factor = broadcast<T>(sink[0]), term = broadcast<T>(sink[1]);  // not known to the compiler
    for (int64_t r = 0; r < rounds; ++r)
#pragma GCC unroll 12
        for (int i = 0; i < chains; ++i) sum[i] = multiply_add<T>(sum[i], factor, term);
    Vec<T> total{};
    for (int i = 0; i < chains; ++i) total += sum[i];
    sink[0] = total[0];
    return rounds * chains * 2 * lanes<T>;
}

// Loads and nothing else that would take time.
template <class T>
T load_all(const T* x, int64_t count) {
    Vec<T> sum[load_granule] = {};
    for (int64_t i = 0; i < count; i += load_granule * lanes<T>)
#pragma GCC unroll 8
        for (int64_t j = 0; j < load_granule; ++j) sum[j] += load<T>(x + i + j * lanes<T>);
    Vec<T> total{};
    for (const Vec<T>& part : sum) total += part;
    return total[0];
}

template <class T>
void copy_all(const T* x, T* y, int64_t count) {
    for (int64_t i = 0; i < count; i += load_granule * lanes<T>)
#pragma GCC unroll 8
        for (int64_t j = 0; j < load_granule; ++j) store(y + i + j * lanes<T>, load<T>(x + i + j * lanes<T>));
}

}  // namespace
}  // namespace fastconv
