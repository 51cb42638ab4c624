// The filters of one instruction set: a unit of their own, as table.cpp is, so that the two compile side by side.
#include "filter.hpp"
#include "filter_box.hpp"

namespace fastconv {
namespace {

template <class T>
constexpr FilterKernel<T> filter_kernel() {
    FilterKernel<T> k{};
    k.run = filter<T>;
    k.workspace = filter_workspace<T>;
    k.run_box = filter_box<T>;
    k.box_workspace = filter_box_workspace<T>;
    AllElements::fill(k);
    return k;
}

}  // namespace

extern const FilterTable FASTCONV_FILTERS;
const FilterTable FASTCONV_FILTERS = {filter_kernel<float>(), filter_kernel<double>(), filter_kernel<int64_t>()};

}  // namespace fastconv
