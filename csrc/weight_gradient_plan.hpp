// How the gradient of a convolution with respect to its weights is computed: a matrix product over pixels, or over the tiles
// of Winograd's algorithm, cut into blocks of channels and, where those are few, parts of the pixels. What is cut depends on
// the problem alone, and so does every bit.
#pragma once

#include <string>
#include <variant>

#include "schedule.hpp"

namespace fastconv {

class WeightGradientPlan {
   public:
    // Of the convolution `p`, by "winograd4", by "direct", which adds up the products of the definition, by the cheaper of
    // both, "auto", or by what rounds as the definition does, "strict"; throws std::invalid_argument if it cannot. `finite`
    // says that all elements of dy will be, but for where they meet no padding.
    WeightGradientPlan(const Problem& p, const std::string& algorithm, const KernelTable&, int threads, bool finite = true);

    // x, dy and dw are dense in the problem's layout.
    void run(const void* x, const void* dy, void* dw) const;

   private:
    template <class T>
    WeightGradientArgs<T> arguments(bool winograd, bool finite) const;
    template <class T>
    const WeightGradientKernel<T>& kernel(const WeightGradientArgs<T>&) const;
    template <class T>
    void run(WeightGradientArgs<T> a, const void* x, const void* dy, void* dw) const;

    Problem problem_;
    const KernelTable& isa_;
    int threads_;
    std::variant<WeightGradientArgs<float>, WeightGradientArgs<double>> args_;  // all but the pointers
    PlanSummary summary_;
};

}  // namespace fastconv
