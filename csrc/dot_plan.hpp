// How a convolution of bytes is done by the processor's dot products: images become words (kernels/dot_args.hpp), some at a
// time, and are convolved in place.
#pragma once

#include <vector>

#include "kernels/dot_args.hpp"
#include "schedule.hpp"

namespace fastconv {

// Weights in the order of the kernel, and what each output channel's add up to.
struct DotWeights {
    Buffer data;
    std::vector<int32_t> sums;
};
DotWeights pack_dot_weights(const Problem&, const DotTable&, const int8_t* weights);

// What becomes of the sums of output channel o: they are stored as int32; or, with a scale, as bytes,
// clamp(round(scale[o] * float(sum)) + zero, low, high).
struct DotOutput {
    const float* scale = nullptr;
    int32_t zero = 0, low = 0, high = 0;
};

class DotPlan {
   public:
    DotPlan(const Problem&, const DotTable&, int threads);

    // y = start[o] + sum of (x - zero) * w, x of signed or unsigned bytes; start may be null. Modulo 2^32.
    void run(const void* x, bool is_signed, int zero, const DotWeights&, const int32_t* start, const DotOutput&,
             void* y) const;

   private:
    bool in_place(const void* x, bool is_signed) const;

    const Problem problem_;
    const DotTable& table_;
    int threads_;
    WordArgs words_{};
    DotArgs args_{};
    int64_t image_words_;  // of an image as words
    int64_t images_at_once_;
};

}  // namespace fastconv
