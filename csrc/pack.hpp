// Weights in the order in which a kernel reads them. Each kernel's header describes its own order.
#pragma once

#include <vector>

#include "isa.hpp"
#include "memory.hpp"
#include "problem.hpp"
#include "select.hpp"
#include "weight_memory.hpp"

namespace fastconv {

// Where weights lie before they are packed: that of output channel o and input channel c of group g, and tap (d, h, w), is
// element origin + g * group + o * out + c * in + d * tap[0] + h * tap[1] + w * tap[2] of `size`.
struct WeightStrides {
    int64_t origin, group, out, in, tap[3], size;
};
WeightStrides weight_strides(const Problem&);  // of a contiguous array, as the problem's layout has it

// Of a problem as it is computed. Algorithms whose sums have another order with pixels in lanes: chooses_lanes().
bool chooses_lanes(AlgorithmId);
SumOrder sum_order(const Problem&, AlgorithmId, bool pixel_lanes);
ProductOrder product_order(const Problem&, AlgorithmId, SumOrder);

// Where each product of an output channel lies, counted from the channel's first element, and its number; in the order in
// which they lie.
struct ProductPlaces {
    std::vector<int64_t> offsets, numbers;
};
ProductPlaces product_places(const Problem&, const ProductOrder&, const WeightStrides&);

// What the order of packed weights depends on: two problems on the same weights may share them if this is equal.
struct WeightFormat {
    AlgorithmId algorithm;
    const KernelTable* isa;
    bool tiles;  // of channels, rather than panels
    ProductOrder order;
    bool operator==(const WeightFormat&) const = default;
};

struct PackedWeights {
    WeightFormat format;
    WeightMemory data;
    double safe = 0;  // Winograd: the largest input for which no sum can overflow
};

// Panels of packed weights where channels are in lanes: `vectors` vectors each, the last what is left, up to one vector
// more.
int64_t panels_of(int64_t channels, int lanes, int vectors);

// The largest magnitude; NaN if there is one.
double largest(DType, const KernelTable&, const void* weights, int64_t size, int threads);

// Kernels that compute padding as zeros, and Winograd's, would turn an infinite weight into NaN where the definition has
// no product at all; with such weights kernels take channels in lanes, or the direct kernel takes over, if that skips it.
bool skips_padding(AlgorithmId);  // with channels in lanes
bool spoiled_by_weights(const Problem&, AlgorithmId, bool pixel_lanes);

// As choose(), for weights that are packed once and known to be finite or not.
Choice choose_for_weights(const Problem&, const std::string& name, const KernelTable&, bool finite);

}  // namespace fastconv
