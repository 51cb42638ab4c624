// How a convolution is done: blocking, workspace, tasks. A plan does not change once made, and may run on many threads at
// once.
#pragma once

#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "dot_plan.hpp"
#include "pack.hpp"
#include "schedule.hpp"
#include "windows.hpp"

namespace fastconv {

// Where images are drawn anew (as_computed), some are at a time, and those are convolved.
class ConvPlan {
   public:
    // `prepared` says that weights will come packed, `finite` that all will be finite: some kernels need that where there is
    // padding (spoiled_by_weights). Sums in an order other than the problem's own are those of a part of another problem.
    ConvPlan(const Problem&, AlgorithmId, const KernelTable&, int threads, const WeightStrides&, bool prepared,
             bool finite = true, std::optional<SumOrder> = std::nullopt);

    // Whether x, weights and y are of the problem's own type, which is bfloat16 then, rather than of the one computed in.
    bool takes_halves() const { return dot_.has_value(); }

    WeightFormat weight_format() const { return format_; }
    int64_t packed_weight_bytes() const;
    std::shared_ptr<const PackedWeights> pack(const void* weights) const;  // throws std::bad_alloc

    // Whether packed weights tell what they were packed from, bit for bit, and that.
    bool can_unpack() const;
    void unpack(const PackedWeights&, void* weights) const;

    // x, y and what is added to it are dense in the problem's layout; bias and residual may be null, and are of the type
    // computed in. There are no residuals where halves are taken.
    void run(const void* x, const PackedWeights&, const void* bias, void* y, const void* residual = nullptr) const;
    // The same with the caller's own weights, finite or not. Each thread packs what its tasks read, just before they do.
    void run(const void* x, const void* weights, const void* bias, void* y) const;

    // The stages of a task, and what each works through in all: operations, or bytes where it does little but move them.
    struct Stage {
        const char* name;
        double work;
        const char* unit;
    };
    std::vector<Stage> stages() const;
    // The same as run(), and the nanoseconds that each stage took, added up over the threads.
    std::vector<int64_t> profile(const void* x, const PackedWeights&, const void* bias, void* y) const;

    const PlanSummary& summary() const { return summary_; }
    SumOrder sum_order() const { return order_; }

   private:
    void divide();
    bool dense() const;
    int64_t dense_weight_bytes() const;
    int64_t depthwise_weight_bytes() const;
    int64_t winograd_weight_bytes() const;
    template <class T>
    bool packs_panels(const ConvArgs<T>&) const;
    double largest_weight(const void* weights) const;
    double safe_input(double largest_weight) const;     // what PackedWeights calls safe
    void pack_to(const void* weights, void* to) const;  // packed_weight_bytes()
    void run_packed(const void* x, const void* weights, double safe, const void* bias, void* y,
                    const void* residual = nullptr) const;
    // The planned arguments with the pointers of one call.
    template <class T>
    ConvArgs<T> arguments_of(const ConvArgs<T>& planned, const void* x, const void* weights, double safe, const void* bias,
                             void* y) const;
    template <class T>
    ConvArgs<T> arguments_of(const ConvArgs<T>& planned, const void* x, const void* bias, void* y) const;

    // Calls f(x, y) for all images at once; or, where they are drawn anew, for so many at a time that they stay in the
    // cache.
    template <class F>
    void each_part(const void* x, void* y, const F& f) const;

    Problem asked_;
    Problem problem_;  // as it is computed, of one part
    int64_t parts_ = 1;
    int64_t part_bytes_ = 0;    // of the input, as it comes
    bool draws_zeros_ = false;  // that are no pixels of the input
    std::unique_ptr<const Border> border_;
    WeightStrides strides_;
    WeightFormat format_;
    SumOrder order_{};
    int threads_;
    std::variant<ConvArgs<float>, ConvArgs<double>> args_;  // all but the pointers
    std::optional<DotPlan<float>> dot_;                     // does it all, if there is one
    std::vector<int64_t> offsets_;
    ProductPlaces products_;
    PlanSummary summary_;
};

}  // namespace fastconv
