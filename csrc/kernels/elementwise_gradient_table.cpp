// Gradients of activations and of softmax, and cross-entropy: a unit of their own, as table.cpp is.
#include "elementwise_gradient.hpp"

namespace fastconv {
namespace {

template <class T>
constexpr ElementwiseGradients<T> elementwise_gradients() {
    return {map_gradient<T>, softmax_gradient<T>, cross_entropy<T>};
}

}  // namespace

extern const ElementwiseGradientTable FASTCONV_ELEMENTWISE_GRADIENTS;
const ElementwiseGradientTable FASTCONV_ELEMENTWISE_GRADIENTS = {elementwise_gradients<float>(),
                                                                 elementwise_gradients<double>()};

}  // namespace fastconv
