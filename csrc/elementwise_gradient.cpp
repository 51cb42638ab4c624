#include "elementwise_gradient.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/elementwise_gradient_args.hpp"
#include "schedule.hpp"

namespace fastconv {
namespace {

constexpr int64_t elements_per_task = 16384;
constexpr double operations_per_element = 20;  // roughly, of the exponential that most of these compute

// f(begin, end) for blocks of `count` units of so many elements each.
template <class F>
void in_blocks(int64_t count, int64_t elements, const F& f) {
    const int64_t block = std::max<int64_t>(1, elements_per_task / std::max<int64_t>(1, elements));
    const int threads = worthwhile_threads(operations_per_element * double(count) * double(elements), get_num_threads());
    parallel_for((count + block - 1) / block, threads,
                 [&](int64_t task, int) { f(task * block, std::min(count, (task + 1) * block)); });
}

// The same for the units of (outer, length, inner) arrays, as their kernels count them.
template <class T, class F>
void in_units(int64_t outer, int64_t length, int64_t inner, const F& f) {
    const int64_t lanes = inner == 1 ? 1 : kernels_of<T>(current_isa()).lanes;
    in_blocks(outer * ((inner + lanes - 1) / lanes), length * lanes, f);
}

}  // namespace

template <class T>
void run_activation_gradient(const T* dy, const T* at, T* dx, int64_t count, const ActivationSpec& activation) {
    MapGradientArgs<T> a{dy, at, dx, activation.kind, T(activation.low), T(activation.high)};
    if (activation.kind == Activation::clamp) {  // what is not bounded reaches no bound, not even as an infinity
        constexpr T none = std::numeric_limits<T>::quiet_NaN();
        if (activation.low == -std::numeric_limits<double>::infinity()) a.low = none;
        if (activation.high == std::numeric_limits<double>::infinity()) a.high = none;
    }
    in_blocks(count, 1,
              [&](int64_t begin, int64_t end) { kernels_of<T>(*current_isa().elementwise_gradients).map(a, begin, end); });
}

template <class T>
void run_softmax_gradient(const T* dy, const T* y, T* dx, int64_t outer, int64_t length, int64_t inner) {
    const SoftmaxGradientArgs<T> a{dy, y, dx, length, inner};
    in_units<T>(outer, length, inner, [&](int64_t begin, int64_t end) {
        kernels_of<T>(*current_isa().elementwise_gradients).softmax(a, begin, end);
    });
}

template <class T>
void run_cross_entropy(const T* x, const int64_t* target, T* loss, T* dx, double scale, int64_t outer, int64_t length,
                       int64_t inner) {
    const CrossEntropyArgs<T> a{x, target, loss, dx, T(scale), length, inner};
    in_units<T>(outer, length, inner, [&](int64_t begin, int64_t end) {
        kernels_of<T>(*current_isa().elementwise_gradients).cross_entropy(a, begin, end);
    });
}

#define FASTCONV_INSTANTIATE(T)                                                                       \
    template void run_activation_gradient<T>(const T*, const T*, T*, int64_t, const ActivationSpec&); \
    template void run_softmax_gradient<T>(const T*, const T*, T*, int64_t, int64_t, int64_t);         \
    template void run_cross_entropy<T>(const T*, const int64_t*, T*, T*, double, int64_t, int64_t, int64_t);
FASTCONV_INSTANTIATE(float)
FASTCONV_INSTANTIATE(double)

}  // namespace fastconv
