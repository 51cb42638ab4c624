// How a transposed convolution is done, which is the gradient of a convolution with respect to its input: what each output
// of the convolution reads, weighted, is where it goes.
//
//     x[n, c, i] = b[c] + sum over o, j, k with i = j * stride + k * dilation - before of  w[o, c, k] * y[n, o, j]
//
// Nothing is stuffed with zeros: the positions i that leave the same remainder by the stride are a phase, and see the same
// taps, one of every `stride` or so. So each phase is a convolution of y with stride 1, by any algorithm, whose kernel is
// those taps in reverse; the phases' results interleave.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "plan.hpp"

namespace fastconv {

class TransposedPlan {
   public:
    // Of the convolution `p` from x to y; bias and activation are those of x. `algorithm` is as for choose(), for each phase
    // that has taps; throws std::invalid_argument as that does.
    TransposedPlan(const Problem& p, const std::string& algorithm, const KernelTable&, int threads);

    // y, weights and x are dense in the problem's layout; weights are those of `p`, and bias may be null.
    void run(const void* y, const void* weights, const void* bias, void* x) const;

   private:
    // Positions first, first + stride, ... of x along an axis.
    struct AxisPhase {
        int64_t first, count;
        int64_t tap, taps;  // of the kernel: tap, tap + tap_step, ...
        int64_t skipped;    // elements of y that no position reads, in front
        int64_t size;       // elements of y that some position may read, behind those
        int64_t before;     // padding
    };
    struct Phase {
        AxisPhase axis[3];
        Problem problem;
        std::unique_ptr<const ConvPlan> plan;  // none if no tap falls on it: x is the bias alone
        int64_t result;                        // where it begins, in elements
    };

    AxisPhase axis_phase(int axis, int64_t first) const;
    WeightStrides reversed(const AxisPhase*) const;
    void add_phase(const std::string& algorithm, int64_t d, int64_t h, int64_t w);
    template <class T>
    void run(const T* y, const T* weights, const T* bias, T* x) const;
    template <class T>
    void interleave(const T* results, const T* empty, T* x) const;

    Problem problem_;
    const KernelTable& isa_;
    int threads_;
    Axes tap_step_, dilation_;  // of a phase
    std::vector<Phase> phases_;
    int64_t result_elements_ = 0, cropped_elements_ = 0;
};

}  // namespace fastconv
