// How the gradient of a convolution with respect to its weights is computed: a matrix product over pixels, cut into blocks
// of channels and, where those are few, parts of the pixels. What is cut depends on the problem alone, and so does every
// bit.
#pragma once

#include <variant>

#include "schedule.hpp"

namespace fastconv {

class WeightGradientPlan {
   public:
    // Of the convolution `p`. `finite` says that all elements of dy will be, but for where they meet no padding.
    WeightGradientPlan(const Problem& p, const KernelTable&, int threads, bool finite = true);

    // x, dy and dw are dense in the problem's layout.
    void run(const void* x, const void* dy, void* dw) const;

   private:
    template <class T>
    WeightGradientArgs<T> arguments(bool finite) const;
    template <class T>
    void run(WeightGradientArgs<T> a, const void* x, const void* dy, void* dw) const;

    Problem problem_;
    const KernelTable& isa_;
    int threads_;
    std::variant<WeightGradientArgs<float>, WeightGradientArgs<double>> args_;  // all but the pointers
    PlanSummary summary_;
};

}  // namespace fastconv
