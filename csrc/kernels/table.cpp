// One instruction set's unit: compiled once for each, with its flags and FASTCONV_TABLE naming the table. It exports that
// one symbol; everything else has internal linkage, for a function shared with another unit could be the copy that the
// linker keeps for all, and then run on a processor that lacks these instructions.
#include "direct.hpp"
#include "elementwise.hpp"
#include "im2col.hpp"
#include "linear.hpp"
#include "pack.hpp"
#include "pointwise.hpp"
#include "winograd.hpp"
#include "winograd_pack.hpp"

namespace fastconv {
namespace {

template <class T>
int64_t no_workspace(const ConvArgs<T>&) {
    return 0;
}

template <class T, class W>
constexpr WinogradKernel<T> winograd_kernel() {
    return {{winograd<T, W>, winograd_workspace<T, W>}, winograd_pack<T, W>, winograd_panel_weights<T, W>};
}

template <class T>
constexpr Kernels<T> kernels() {
    Kernels<T> k{};
    k.lanes = lanes<T>;
    k.tile_vectors = tile_vectors;
    k.tile_sums = int(Im2colTiles<T>::size);
    k.rows[1] = rows_of(1);
    k.rows[2] = rows_of(2);
    k.rows[3] = rows_of(3);
    k.winograd_vectors = winograd_vectors;
    k.tile_rows = tile_rows;
    k.direct = {direct<T>, no_workspace<T>};
    k.im2col = {im2col<T>, im2col_workspace<T>};
    k.pointwise = {pointwise<T>, pointwise_workspace<T>};
    k.winograd2 = winograd_kernel<T, Winograd<2, 3>>();
    k.winograd4 = winograd_kernel<T, Winograd<4, 3>>();
    k.winograd5 = winograd_kernel<T, Winograd<5, 2>>();
    k.pack = {pack_size<T>, pack_group<T>, unpack_group<T>, pack_size_for_task<T>, pack_for_task<T>};
    k.largest = largest<T>;
    k.linear = linear<T>;
    k.map = map<T>;
    k.softmax = softmax<T>;
    k.peak = peak<T>;
    k.load_all = load_all<T>;
    k.copy_all = copy_all<T>;
    return k;
}

}  // namespace

extern const DepthwiseTable FASTCONV_DEPTHWISE;
extern const FilterTable FASTCONV_FILTERS;
extern const GradientTable FASTCONV_GRADIENTS;
extern const WindowTable FASTCONV_WINDOWS;
extern const ElementwiseGradientTable FASTCONV_ELEMENTWISE_GRADIENTS;
extern const KernelTable FASTCONV_TABLE;
const KernelTable FASTCONV_TABLE = {
    FASTCONV_ISA_NAME, kernels<float>(),    kernels<double>(), &FASTCONV_DEPTHWISE,
    &FASTCONV_FILTERS, &FASTCONV_GRADIENTS, &FASTCONV_WINDOWS, &FASTCONV_ELEMENTWISE_GRADIENTS};

}  // namespace fastconv
