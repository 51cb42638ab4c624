// How a transposed convolution is done, which is the gradient of a convolution with respect to its input: what each output
// of the convolution reads, weighted, is where it goes.
//
//     x[n, c, i] = b[c] + sum over o, j, k with i = j * stride + k * dilation - before of  w[o, c, k] * y[n, o, j]
//
// Nothing is stuffed with zeros: the positions i that leave the same remainder by the stride are a phase, and see the same
// taps, one of every `stride` or so. So each phase is a convolution of y with stride 1, by any algorithm, whose kernel is
// those taps in reverse; the phases' results interleave.
#pragma once

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
    // Every stride-th position of x along an axis.
    struct AxisPhase {
        int64_t count;
        int64_t tap, taps;  // of the kernel: tap, tap + tap_step, ...
        int64_t skipped;    // elements of y that no position reads, in front
        int64_t size;       // elements of y that some position may read, behind those
        int64_t before;     // padding
    };
    // Those on which some tap falls, and for first = 0, 1, ... which of them it is, or -1.
    struct AxisPhases {
        std::vector<AxisPhase> reached;
        std::vector<int64_t> number;
    };
    // A convolution, of a phase or of all of them.
    struct Part {
        Problem problem;
        Axes skipped;
        ConvPlan plan;
        int64_t result;  // where its result begins, in elements
    };
    // Where the result of a phase lies: planes of an image, or of a channel where these come first, and its pixels.
    struct Phase {
        Axes size;
        int64_t result, plane, pixel;
    };

    AxisPhase axis_phase(size_t axis, int64_t first) const;
    void add_phase(const std::string& algorithm, const AxisPhase* const (&axis)[3]);
    bool apart() const;
    void add_joined(const std::string& algorithm);
    void add_part(const Problem&, const Axes& skipped, const std::string& algorithm, const WeightStrides&);
    const Phase* phase_at(int64_t d, int64_t h, int64_t w) const;
    template <class T>
    void run(const T* y, const T* weights, const T* bias, T* x) const;
    template <class T>
    void interleave(const T* results, const T* empty, T* x) const;

    Problem problem_;
    const KernelTable& isa_;
    int threads_;
    Axes tap_step_, dilation_;  // of a phase
    AxisPhases axes_[3];
    std::vector<Part> parts_;
    std::vector<Phase> phases_;  // of the reached ones of all axes, the last axis fastest
    int64_t repeated_bias_ = 1, result_elements_ = 0, cropped_elements_ = 0;
};

}  // namespace fastconv
