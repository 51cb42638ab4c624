// Gradients of activation functions and of softmax, and cross-entropy with its own.
//
// Softmax and cross-entropy have an axis of `length` in (outer, length, inner) arrays. Rows, where inner is 1, have
// neighbours of that axis in lanes, and combine the lanes at the end in their order; columns have neighbours of the inner
// axis in lanes, each with a sum of its own. Either way the order of a sum depends on the shape alone.
#pragma once

#include "elementwise_gradient_args.hpp"
#include "math.hpp"
#include "window.hpp"

namespace fastconv {
namespace {

// dy f'(x), by y = f(x) except for silu. f' is formed without cancellation where that can be: 1 - y for tanh is exact where
// it is small, and both factors of sigmoid's s (1 - s) for silu come from one exponential that is at most 1.
template <class T>
inline Vec<T> activation_gradient(const MapGradientArgs<T>& a, Vec<T> dy, Vec<T> at) {
    switch (a.activation) {
        case Activation::none: return dy;
        case Activation::clamp: return ((at <= a.low) | (at >= a.high)) ? Vec<T>{} : dy;  // a NaN is on neither side
        case Activation::leaky_relu: return at > T(0) ? dy : dy * a.low;
        case Activation::sigmoid: return dy * (at * (T(1) - at));
        case Activation::tanh: return dy * ((T(1) - at) * (T(1) + at));
        case Activation::silu: {  // s + x s (1 - s), s = sigmoid(x)
            const Vec<T> e = exp<T>(at > T(0) ? -at : at), larger = T(1) / (T(1) + e), smaller = e * larger;
            const Vec<T> s = at > T(0) ? larger : smaller, rest = at > T(0) ? smaller : larger;
            return dy * (s * multiply_add<T>(at, rest, broadcast(T(1))));
        }
    }
    return dy;
}

template <class T>
void map_gradient(const MapGradientArgs<T>& a, int64_t begin, int64_t end) {
    each_vector<T>(end - begin, [&](int64_t i, auto exists) {
        const Vec<T> dy = load_masked(a.dy + begin + i, exists), at = load_masked(a.at + begin + i, exists);
        store_masked(a.dx + begin + i, activation_gradient(a, dy, at), exists);
    });
}

// Calls row(i), or column(outer, first of so many columns, how many), for units begin .. end.
template <class T, class Row, class Column>
inline void each_unit(int64_t inner, int64_t begin, int64_t end, const Row& row, const Column& column) {
    if (inner == 1) {
        for (int64_t i = begin; i < end; ++i) row(i);
        return;
    }
    const int64_t vectors = (inner + lanes<T> - 1) / lanes<T>;
    for (int64_t i = begin; i < end; ++i) {
        const int64_t outer = i / vectors, first = (i - outer * vectors) * lanes<T>;
        const int count = int(inner - first < lanes<T> ? inner - first : lanes<T>);
        column(outer, first, count);
    }
}

template <class T>
inline T sum_of_lanes(Vec<T> v) {
    T sum = v[0];
    for (int j = 1; j < lanes<T>; ++j) sum += v[j];
    return sum;
}

// dx[i] = y[i] (dy[i] - sum_j dy[j] y[j])
template <class T>
void softmax_gradient(const SoftmaxGradientArgs<T>& a, int64_t begin, int64_t end) {
    const auto row = [&](int64_t i) {
        const T *dy = a.dy + i * a.length, *y = a.y + i * a.length;
        T* dx = a.dx + i * a.length;
        Vec<T> sums{};
        each_vector<T>(a.length, [&](int64_t j, auto exists) {
            sums = multiply_add<T>(load_masked(dy + j, exists), load_masked(y + j, exists), sums);
        });
        const T sum = sum_of_lanes<T>(sums);
        each_vector<T>(a.length, [&](int64_t j, auto exists) {
            store_masked(dx + j, load_masked(y + j, exists) * (load_masked(dy + j, exists) - sum), exists);
        });
    };
    const auto column = [&](int64_t outer, int64_t first, int count) {
        const int64_t at = outer * a.length * a.inner + first, last = at + a.length * a.inner;
        const Mask<T> exists = first_lanes<T>(count);
        Vec<T> sum{};
        for (int64_t j = at; j < last; j += a.inner)
            sum = multiply_add<T>(load_masked(a.dy + j, exists), load_masked(a.y + j, exists), sum);
        for (int64_t j = at; j < last; j += a.inner)
            store_masked(a.dx + j, load_masked(a.y + j, exists) * (load_masked(a.dy + j, exists) - sum), exists);
    };
    each_unit<T>(a.inner, begin, end, row, column);
}

// loss = ln(sum_j e^(x[j] - max x)) - (x[target] - max x),  dx[i] = scale (softmax(x)[i] - (i == target)).
// The sum is at least 1, since its largest term is, and never overflows.
template <class T>
void cross_entropy(const CrossEntropyArgs<T>& a, int64_t begin, int64_t end) {
    const auto row = [&](int64_t i) {
        const T* x = a.x + i * a.length;
        T* dx = a.dx ? a.dx + i * a.length : nullptr;
        const int64_t target = a.target[i];
        Vec<T> tops = Maximum<T>::identity(), sums{};
        each_vector<T>(a.length, [&](int64_t j, auto exists) {
            tops = Maximum<T>::combine(tops, load_masked<T>(x + j, exists, Maximum<T>::identity()));
        });
        const T top = combined_lanes<T, Maximum<T>>(tops)[0];
        each_vector<T>(a.length, [&](int64_t j, auto exists) {
            // Lanes that do not exist are e^-inf = 0, unless top is infinite itself, when the sum is NaN in any case.
            const Vec<T> e = exp<T>(load_masked<T>(x + j, exists, Maximum<T>::identity()) - top);
            sums += e;
            if (dx) store_masked(dx + j, e, exists);
        });
        const T sum = sum_of_lanes<T>(sums);
        if (a.loss) a.loss[i] = log<T>(broadcast<T>(sum))[0] - (x[target] - top);
        if (!dx) return;
        const T factor = a.scale / sum;
        each_vector<T>(a.length,
                       [&](int64_t j, auto exists) { store_masked(dx + j, load_masked(dx + j, exists) * factor, exists); });
        dx[target] -= a.scale;
    };
    const auto column = [&](int64_t outer, int64_t first, int count) {
        const int64_t at = outer * a.length * a.inner + first, last = at + a.length * a.inner;
        const int64_t* target = a.target + outer * a.inner + first;
        const Mask<T> exists = first_lanes<T>(count);
        Vec<T> top = Maximum<T>::identity(), sum{};
        for (int64_t j = at; j < last; j += a.inner) top = Maximum<T>::combine(top, load_masked(a.x + j, exists));
        for (int64_t j = at; j < last; j += a.inner) {
            const Vec<T> e = exp<T>(load_masked(a.x + j, exists) - top);
            sum += e;
            if (a.dx) store_masked(a.dx + j, e, exists);
        }
        if (a.loss) {
            Vec<T> wanted{};
            for (int j = 0; j < count; ++j) wanted[j] = a.x[at + target[j] * a.inner + j];
            store_masked(a.loss + outer * a.inner + first, log<T>(sum) - (wanted - top), exists);
        }
        if (!a.dx) return;
        const Vec<T> factor = a.scale / sum;
        for (int64_t j = at; j < last; j += a.inner) store_masked(a.dx + j, load_masked(a.dx + j, exists) * factor, exists);
        for (int j = 0; j < count; ++j) a.dx[at + target[j] * a.inner + j] -= a.scale;
    };
    each_unit<T>(a.inner, begin, end, row, column);
}

}  // namespace
}  // namespace fastconv
