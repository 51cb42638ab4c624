// How pooling is done: its windows as tables, and blocks of rows.
#pragma once

#include <array>
#include <variant>
#include <vector>

#include "isa.hpp"
#include "kernels/window_args.hpp"
#include "schedule.hpp"

namespace fastconv {

// One axis of pooling windows as tables, see PoolAxis.
struct PoolTable {
    std::vector<int64_t> first, taps, divisor;
    int64_t dilation = 1, stride = 0, before = 0, window = 0;
};
PoolTable sliding_windows(const Problem&, int axis);
PoolTable adaptive_windows(int64_t input, int64_t output);  // window i: floor(i I / O) to ceil((i + 1) I / O)

class PoolPlan {
   public:
    PoolPlan(const Problem&, std::array<PoolTable, 3> tables, const KernelTable&, int threads);
    PoolPlan(const PoolPlan&) = delete;  // its arguments point into its tables
    PoolPlan& operator=(const PoolPlan&) = delete;

    void run(const void* x, void* y, int64_t* indices) const;
    const PlanSummary& summary() const { return summary_; }

   private:
    template <class T>
    void arrange(const Problem&, PoolArgs<T>&);

    const KernelTable* isa_;
    std::array<PoolTable, 3> tables_;
    std::variant<PoolArgs<float>, PoolArgs<double>> args_;
    PlanSummary summary_;
};

}  // namespace fastconv
