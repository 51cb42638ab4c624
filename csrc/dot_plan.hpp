// How a convolution of bytes or of bfloat16 is done by the processor's dot products: images become words
// (kernels/dot_args.hpp), some at a time, and are convolved in place.
#pragma once

#include <vector>

#include "kernels/dot_args.hpp"
#include "pack.hpp"
#include "schedule.hpp"

namespace fastconv {

// What becomes of the sums of output channel o: of bfloat16, what the problem's activation makes of them, rounded; of bytes,
// the int32 itself, or, with a scale, a byte, clamp(round(scale[o] * float(sum)) + zero, low, high).
struct DotOutput {
    const float* scale = nullptr;
    int32_t zero = 0, low = 0, high = 0;
};

// T is what sums are: int32_t of bytes, float of bfloat16.
template <class T>
class DotPlan {
   public:
    using Element = typename WordOf<T>::Element;

    DotPlan(const Problem&, const DotKernels<T>&, int threads);

    int64_t packed_bytes() const;
    // Weights in the order of the kernel; of bytes, signed ones.
    void pack(const Element* weights, const WeightStrides&, void* to) const;

    // y[o] = start[o] + sum of x * w; start may be null. With signed bytes, `flip` is 128, and they are read as unsigned
    // ones that are 128 larger; padding holds `zero`.
    void run(const void* x, const void* packed, const T* start, void* y, const DotOutput& = {}, Element flip = 0,
             Element zero = 0) const;

    const PlanSummary& summary() const { return summary_; }

   private:
    bool in_place(const void* x, Element flip) const;

    Problem problem_;
    const DotKernels<T>* kernels_;
    WordArgs<T> words_{};
    DotArgs<T> args_{};
    int64_t image_words_;  // of an image as words
    int64_t images_at_once_;
    PlanSummary summary_;
};

extern template class DotPlan<int32_t>;
extern template class DotPlan<float>;

}  // namespace fastconv
