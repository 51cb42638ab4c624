// How a convolution is done: blocking, workspace, tasks. A plan does not change once made, and may run on many threads at
// once.
#pragma once

#include <variant>
#include <vector>

#include "pack.hpp"
#include "schedule.hpp"

namespace fastconv {

class ConvPlan {
   public:
    ConvPlan(const Problem&, AlgorithmId, const KernelTable&, int threads);

    // x and y are dense in the problem's layout; bias may be null.
    void run(const void* x, const PackedWeights&, const void* bias, void* y) const;
    // The same with the caller's own weights, which are packed on the way.
    void run(const void* x, const WeightView&, const void* bias, void* y) const;

    const PlanSummary& summary() const { return summary_; }

   private:
    Problem problem_;
    AlgorithmId algorithm_;
    const KernelTable* isa_;
    std::variant<ConvArgs<float>, ConvArgs<double>> args_;  // all but the pointers
    std::vector<int64_t> offsets_;
    PlanSummary summary_;
    int threads_;
};

}  // namespace fastconv
