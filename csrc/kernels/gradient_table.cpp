// The gradients of one instruction set: a unit of their own, as table.cpp is, so that they compile side by side.
#include "transposed.hpp"
#include "weight_gradient.hpp"
#include "weight_gradient_winograd.hpp"

namespace fastconv {
namespace {

template <class T>
constexpr GradientKernels<T> gradient_kernels() {
    GradientKernels<T> k{};
    k.interleave = interleave<T>;
    k.weights = {weight_gradient<T>, weight_gradient_workspace<T>};
    k.winograd_weights = {weight_gradient_winograd<T>, weight_gradient_winograd_workspace<T>};
    k.weights_finish = weight_gradient_finish<T>;
    k.channel_sums = channel_sums<T>;
    return k;
}

}  // namespace

extern const GradientTable FASTCONV_GRADIENTS;
const GradientTable FASTCONV_GRADIENTS = {gradient_kernels<float>(), gradient_kernels<double>()};

}  // namespace fastconv
