// Depthwise convolution of one instruction set: a unit of its own, as table.cpp is, so that they compile side by side.
#include "depthwise.hpp"

namespace fastconv {
namespace {

template <class T>
constexpr DepthwiseKernels<T> depthwise_kernels() {
    return {stencil_rows, {depthwise<T>, depthwise_workspace<T>}, depthwise_panels<T>, depthwise_pack<T>};
}

}  // namespace

extern const DepthwiseTable FASTCONV_DEPTHWISE;
const DepthwiseTable FASTCONV_DEPTHWISE = {depthwise_kernels<float>(), depthwise_kernels<double>()};

}  // namespace fastconv
