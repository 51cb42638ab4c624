// Weights in the order in which a kernel reads them. Each kernel's header describes its own order.
#pragma once

#include <vector>

#include "isa.hpp"
#include "memory.hpp"
#include "problem.hpp"
#include "select.hpp"

namespace fastconv {

// How weights lie before they are packed, the last axis fastest. The first two are those of the layouts; the third is what
// gradients with respect to the input make of either.
enum class WeightOrder { channels_first, channels_last, taps_middle };  // (oc, ic, taps), (taps, ic, oc), (oc, taps, ic)
WeightOrder weight_order(Layout);

// The order in which an algorithm adds the products of a sum: that of channel c and tap (d, h, w) is number
// c * channel + d * tap[0] + h * tap[1] + w * tap[2].
struct ProductOrder {
    int64_t channel, tap[3];
    bool operator==(const ProductOrder&) const = default;
};
ProductOrder product_order(const Problem&, AlgorithmId, const KernelTable&, bool pixel_lanes);

// The number of each product, in the order in which a channel's weights lie.
std::vector<int64_t> product_numbers(const Problem&, const ProductOrder&, WeightOrder);

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
    Buffer data;
    double safe = 0;  // Winograd: the largest input for which no sum can overflow
};

// Panels of packed weights where channels are in lanes: `vectors` vectors each, the last what is left, up to one vector
// more.
int64_t panels_of(int64_t channels, int lanes, int vectors);

// The largest magnitude; NaN if there is one.
double largest(const Problem&, const KernelTable&, const void* weights);

// Kernels that compute padding as zeros, and Winograd's, would turn an infinite weight into NaN where the definition has
// no product at all; with such weights kernels take channels in lanes, or the direct kernel takes over, if that skips it.
bool skips_padding(AlgorithmId);  // with channels in lanes
bool spoiled_by_weights(const Problem&, AlgorithmId, bool pixel_lanes);

}  // namespace fastconv
