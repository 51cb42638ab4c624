#include "operators.hpp"

#include <algorithm>

#include "schedule.hpp"

namespace fastconv {
namespace {

constexpr int64_t elements_per_task = 16384;
constexpr double operations_per_element = 20;  // of an activation function, roughly

template <class T>
Epilogue<T> epilogue_of(const ActivationSpec& a) {
    return {nullptr, a.kind, T(a.low), T(a.high), nullptr, nullptr};
}

}  // namespace

template <class T>
void run_linear(const T* x, const T* weights, const T* bias, T* y, int64_t rows, int64_t in, int64_t out,
                const ActivationSpec& activation) {
    if (rows == 0 || out == 0) return;
    const Kernels<T>& k = kernels_of<T>(current_isa());
    LinearArgs<T> a{x, weights, y, epilogue_of<T>(activation), rows, in, out, 1, rows};
    a.epilogue.bias = bias;
    const int threads = worthwhile_threads(2.0 * double(rows) * double(in) * double(out), get_num_threads());
    const int64_t columns = (out + k.lanes - 1) / k.lanes;
    // Rows of a block stay in second-level cache while the weights of all outputs pass.
    a.row_block = std::clamp<int64_t>((256 << 10) / (std::max<int64_t>(in, 1) * int64_t(sizeof(T))), 16, 1024);
    a.row_blocks = (rows + a.row_block - 1) / a.row_block;
    parallel_for(columns * a.row_blocks, threads, [&](int64_t task, int) { k.linear(a, task); });
}

template <class T>
void run_activation(const T* x, T* y, int64_t count, const ActivationSpec& activation) {
    const Kernels<T>& k = kernels_of<T>(current_isa());
    const MapArgs<T> a{x, y, epilogue_of<T>(activation)};
    const int threads = worthwhile_threads(operations_per_element * double(count), get_num_threads());
    parallel_for((count + elements_per_task - 1) / elements_per_task, threads, [&](int64_t task, int) {
        k.map(a, task * elements_per_task, std::min(count, (task + 1) * elements_per_task));
    });
}

template <class T>
void run_softmax(const T* x, T* y, int64_t outer, int64_t length, int64_t inner) {
    if (length == 0 || inner == 0) return;
    const Kernels<T>& k = kernels_of<T>(current_isa());
    const SoftmaxArgs<T> a{x, y, length, inner};
    const int threads =
        worthwhile_threads(operations_per_element * double(outer) * double(length * inner), get_num_threads());
    parallel_for(outer, threads, [&](int64_t task, int) { k.softmax(a, task); });
}

template <class T>
void run_channel_sums(const T* x, int64_t outer, int64_t channels, int64_t inner, T* sums) {
    const auto kernel = kernels_of<T>(*current_isa().gradients).channel_sums;
    const int64_t lanes = kernels_of<T>(current_isa()).lanes;
    const int threads = worthwhile_threads(double(outer) * double(channels) * double(inner), get_num_threads());
    const int64_t tasks = parts_of(channels, lanes);
    parallel_for(tasks, threads, [&](int64_t task, int) {
        kernel(x, outer, channels, inner, task * lanes, std::min(channels, (task + 1) * lanes), sums);
    });
}

#define FASTCONV_INSTANTIATE(T)                                                                                      \
    template void run_linear<T>(const T*, const T*, const T*, T*, int64_t, int64_t, int64_t, const ActivationSpec&); \
    template void run_activation<T>(const T*, T*, int64_t, const ActivationSpec&);                                   \
    template void run_softmax<T>(const T*, T*, int64_t, int64_t, int64_t);                                           \
    template void run_channel_sums<T>(const T*, int64_t, int64_t, int64_t, T*);
FASTCONV_INSTANTIATE(float)
FASTCONV_INSTANTIATE(double)

}  // namespace fastconv
