// Weights in the order in which a kernel reads them. Each kernel's header describes its own order.
#pragma once

#include <memory>

#include "isa.hpp"
#include "memory.hpp"
#include "problem.hpp"
#include "select.hpp"

namespace fastconv {

// The caller's weights, whatever their layout: element (oc, ic, kd, kh, kw) at data[oc * oc_stride + ...].
struct WeightView {
    const void* data;
    int64_t oc_stride, ic_stride, stride[3];
};

// The view of a C-contiguous weight array of the problem's layout.
WeightView weight_view(const Problem&, const void* data);

// The order in which an algorithm adds the products of a sum: that of channel c and tap (d, h, w) is number
// c * channel + d * tap[0] + h * tap[1] + w * tap[2].
struct ProductOrder {
    int64_t channel, tap[3];
};
ProductOrder product_order(const Problem&, AlgorithmId);

struct PackedWeights {
    AlgorithmId algorithm;
    const KernelTable* isa;
    Buffer data;
    bool finite;
};

// In the order in which the algorithm's kernel reads them. Throws std::bad_alloc.
std::shared_ptr<const PackedWeights> pack_weights(const Problem&, AlgorithmId, const KernelTable&, const WeightView&);

// Panels of packed weights where channels are in lanes: `vectors` vectors each, the last what is left, up to one vector more.
int64_t panels_of(int64_t channels, int lanes, int vectors);

int64_t packed_weight_bytes(const Problem&, AlgorithmId, const KernelTable&);

// Kernels that compute padding as zeros, and Winograd's, would turn an infinite weight into NaN where the definition has
// no product at all; with such weights the direct kernel takes over.
bool spoiled_by_weights(const Problem&, AlgorithmId, bool finite);

}  // namespace fastconv
