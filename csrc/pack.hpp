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

struct PackedWeights {
    AlgorithmId algorithm;
    const KernelTable* isa;
    Buffer data;
    bool finite;
};

// In the order in which the algorithm's kernel reads them. Throws std::bad_alloc.
std::shared_ptr<const PackedWeights> pack_weights(const Problem&, AlgorithmId, const KernelTable&, const WeightView&);

// Channels in a panel of packed weights where channels are in lanes: a tile's width, or one vector if that is enough.
int64_t panel_width(int64_t channels, int lanes, int vectors);

// Whether an algorithm that can do either puts pixels rather than output channels in lanes.
template <class T>
bool pixels_in_lanes(const Problem&, AlgorithmId, const Kernels<T>&);

int64_t packed_weight_bytes(const Problem&, AlgorithmId, const KernelTable&);

// Kernels that compute padding as zeros, and Winograd's, would turn an infinite weight into NaN where the definition has
// no product at all; with such weights the direct kernel takes over.
bool spoiled_by_weights(const Problem&, AlgorithmId, bool finite);

}  // namespace fastconv
