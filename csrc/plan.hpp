// How: blocking, packed weights, workspace, number of tasks. A plan does not change once made, and may run on many
// threads at once.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "memory.hpp"
#include "select.hpp"

namespace fastconv {

// The caller's weights, whatever their layout: element (oc, ic, kd, kh, kw) at data[oc * oc_stride + ...].
struct WeightView {
    const void* data;
    int64_t oc_stride, ic_stride, stride[3];
};

// The view of a C-contiguous weight array of the problem's layout.
WeightView weight_view(const Problem&, const void* data);

struct PackedWeights {
    AlgorithmId algorithm;
    const KernelTable* isa;
    Buffer data;
    bool finite;
};

// In the order in which the algorithm's kernel reads them. Throws std::bad_alloc.
std::shared_ptr<const PackedWeights> pack_weights(const Problem&, AlgorithmId, const KernelTable&, const WeightView&);

int64_t packed_weight_bytes(const Problem&, AlgorithmId, const KernelTable&);

// Kernels that compute padding as zeros, and Winograd's, would turn an infinite weight into NaN where the definition has
// no product at all; with such weights the direct kernel takes over.
bool spoiled_by_weights(const Problem&, AlgorithmId, bool finite);

// What explain() tells.
struct PlanSummary {
    std::string tile;
    std::vector<std::pair<std::string, int64_t>> blocking;
    int64_t tasks, workspace_bytes;  // workspace: of one thread
    int threads;
};

class ConvPlan {
   public:
    ConvPlan(const Problem&, AlgorithmId, const KernelTable&, int threads);

    // x and y are dense in the problem's layout; bias may be null.
    void run(const void* x, const PackedWeights&, const void* bias, void* y) const;

    const PlanSummary& summary() const { return summary_; }

   private:
    template <class T>
    void plan(const Problem&, const KernelTable&, ConvArgs<T>&, int threads);

    AlgorithmId algorithm_;
    const KernelTable* isa_;
    std::variant<ConvArgs<float>, ConvArgs<double>> args_;  // all but the pointers
    std::vector<int64_t> offsets_;
    PlanSummary summary_;
};

// One axis of pooling windows as tables, see PoolAxis.
struct PoolTable {
    std::vector<int64_t> first, taps, divisor;
    int64_t dilation = 1;
};
PoolTable sliding_windows(const Problem&, int axis);
PoolTable adaptive_windows(int64_t input, int64_t output);  // window i: floor(i I / O) to ceil((i + 1) I / O)

class PoolPlan {
   public:
    PoolPlan(const Problem&, std::array<PoolTable, 3> tables, const KernelTable&, int threads);
    void run(const void* x, void* y, int64_t* indices) const;
    const PlanSummary& summary() const { return summary_; }

   private:
    const KernelTable* isa_;
    std::array<PoolTable, 3> tables_;
    std::variant<PoolArgs<float>, PoolArgs<double>> args_;
    PlanSummary summary_;
};

// Threads worth starting for this many operations, of those available.
int worthwhile_threads(double operations, int available);

}  // namespace fastconv
