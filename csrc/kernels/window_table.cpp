// Pooling, what moves elements between images and windows, and into floats, for one instruction set: a unit of its own, as
// table.cpp is.
#include "border.hpp"
#include "columns.hpp"
#include "half.hpp"
#include "indexed.hpp"
#include "pool.hpp"
#include "pool_gradient.hpp"
#include "power.hpp"

namespace fastconv {
namespace {

template <class T>
constexpr WindowKernels<T> window_kernels() {
    WindowKernels<T> k{};
    k.pool = pool<T>;
    k.pool_workspace = pool_workspace<T>;
    k.average_gradient = average_gradient<T>;
    k.average_gradient_workspace = average_gradient_workspace<T>;
    k.scatter_add = scatter<T, true>;
    k.scatter = scatter<T, false>;
    k.gather = gather<T>;
    k.unfold = unfold<T>;
    k.fold = fold<T>;
    k.pad = pad<T>;
    k.pad_gradient = pad_gradient<T>;
    k.pad_gradient_workspace = pad_gradient_workspace<T>;
    k.power = power<T>;
    k.divide_by_power = divide_by_power<T>;
    k.multiply_by_power = multiply_by_power<T>;
    return k;
}

}  // namespace

extern const WindowTable FASTCONV_WINDOWS;
const WindowTable FASTCONV_WINDOWS = {window_kernels<float>(),
                                      window_kernels<double>(),
                                      first_outside,
                                      {widen_run<widen_f16>, narrow_run<narrow_f16>},
                                      {widen_run<widen_bf16>, narrow_run<narrow_bf16>}};

}  // namespace fastconv
