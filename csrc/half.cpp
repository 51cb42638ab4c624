#include "half.hpp"

#include <algorithm>

#include "isa.hpp"
#include "kernels/window_args.hpp"
#include "schedule.hpp"

namespace fastconv {
namespace {

constexpr int64_t elements_per_task = 1 << 16;

const HalfKernels& kernels_for(DType t) {
    const WindowTable& windows = *current_isa().windows;
    return t == DType::f16 ? windows.f16 : windows.bf16;
}

template <class From, class To>
void in_blocks(void (*kernel)(const From*, int64_t, To*), const From* from, int64_t count, To* to) {
    if (count <= elements_per_task) return kernel(from, count, to);
    const int threads = worthwhile_threads(double(count), get_num_threads());
    parallel_for(parts_of(count, elements_per_task), threads, [&](int64_t task, int) {
        const int64_t begin = task * elements_per_task;
        kernel(from + begin, std::min(elements_per_task, count - begin), to + begin);
    });
}

}  // namespace

void widen(DType t, const void* from, int64_t count, float* to) {
    in_blocks(kernels_for(t).widen, static_cast<const uint16_t*>(from), count, to);
}

void narrow(DType t, const float* from, int64_t count, void* to) {
    in_blocks(kernels_for(t).narrow, from, count, static_cast<uint16_t*>(to));
}

Widened::Widened(DType t, const void* from, int64_t count) : from_(from) {
    if (!is_half(t)) return;
    copy_.emplace(count * int64_t(sizeof(float)));
    widen(t, from, count, reinterpret_cast<float*>(copy_->data()));
}

}  // namespace fastconv
