// Filters of arrays of any number of axes: weighted sums over windows (correlation). What lies outside an array is a table
// of where to read instead, so kernels know no boundary modes.
#pragma once

#include <memory>
#include <variant>
#include <vector>

#include "boundary.hpp"
#include "isa.hpp"
#include "schedule.hpp"

namespace fastconv {

// The window along one axis: output position o sees the input positions o - before, ..., o - before + taps - 1.
struct FilterWindow {
    int64_t taps = 1, before = 0;
    Boundary boundary = Boundary::constant;
};

// Floating-point weights make sums in float (if the arrays are) or double; integers are summed modulo 2^64. For minimum and
// maximum they say which taps count.
using FilterWeights = std::variant<std::vector<double>, std::vector<int64_t>>;

// A filter along one axis.
struct AxisFilter {
    size_t axis;
    FilterWindow window;
    FilterWeights weights;  // of FilterOp::weighted
};

struct FilterArrays {
    Shape input, output;
    ElementType from, to;
    double outside;  // the constant of Boundary::constant
};

class FilterPass;

// How an array is filtered: by one window over all its axes, or along some of them one after the other.
class FilterPlan {
   public:
    // Weights in C order, as many as the product of the windows' taps.
    FilterPlan(const FilterArrays&, FilterOp, const std::vector<FilterWindow>&, const FilterWeights&, const KernelTable&,
               int threads);
    // The axes ascend; the output has the input's shape.
    FilterPlan(const FilterArrays&, FilterOp, const std::vector<AxisFilter>&, const KernelTable&, int threads);
    ~FilterPlan();
    void run(const void* x, void* y) const;
    double operations() const { return operations_; }

   private:
    void add(std::unique_ptr<FilterPass>);

    std::vector<std::unique_ptr<FilterPass>> passes_;
    int64_t between_bytes_ = 0;  // of what lies between passes
    double operations_ = 0;
};

}  // namespace fastconv
