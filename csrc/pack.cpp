#include "pack.hpp"

#include <algorithm>
#include <vector>

#include "schedule.hpp"

namespace fastconv {

int64_t panels_of(int64_t channels, int lanes, int vectors) {
    return std::max<int64_t>(parts_of(channels, lanes) / vectors, 1);
}

ProductOrder product_order(const Problem& p, AlgorithmId id, const KernelTable& isa, bool pixel_lanes) {
    const int64_t in = p.ic / p.groups, kh = p.kernel[1], kw = p.kernel[2];
    const bool columns_last = !p.padded() || isa.f32.few_registers;
    if (id == AlgorithmId::depthwise && pixel_lanes) return {kw * kh, {in * kw * kh, 1, kh}};
    if (id == AlgorithmId::depthwise) return {kw, {kh * in * kw, in * kw, 1}};
    if (is_winograd(id)) id = AlgorithmId::direct;  // which computes the tiles that Winograd's algorithm would spoil
    if (id == AlgorithmId::direct && columns_last) return {kw, {kh * in * kw, in * kw, 1}};
    if (id == AlgorithmId::direct) return {1, {kw * kh * in, in, kh * in}};
    if (p.layout == Layout::channels_first) return {p.taps(), {kh * kw, kw, 1}};
    return {1, {kh * kw * in, kw * in, in}};
}

WeightOrder weight_order(Layout layout) {
    return layout == Layout::channels_first ? WeightOrder::channels_first : WeightOrder::channels_last;
}

std::vector<int64_t> product_numbers(const Problem& p, const ProductOrder& order, WeightOrder weights) {
    const int64_t in = p.ic / p.groups;
    const bool taps_last = weights == WeightOrder::channels_first;
    std::vector<int64_t> numbers;
    numbers.reserve(size_t(in * p.taps()));
    for (int64_t outer = 0; outer < (taps_last ? in : 1); ++outer)
        for (int64_t d = 0; d < p.kernel[0]; ++d)
            for (int64_t h = 0; h < p.kernel[1]; ++h)
                for (int64_t x = 0; x < p.kernel[2]; ++x)
                    for (int64_t inner = 0; inner < (taps_last ? 1 : in); ++inner)
                        numbers.push_back((outer + inner) * order.channel + d * order.tap[0] + h * order.tap[1] +
                                          x * order.tap[2]);
    return numbers;
}

double largest(const Problem& p, const KernelTable& isa, const void* weights) {
    const int64_t count = p.oc * (p.ic / p.groups) * p.taps();
    return p.dtype == DType::f32 ? double(isa.f32.largest(static_cast<const float*>(weights), count))
                                 : isa.f64.largest(static_cast<const double*>(weights), count);
}

bool skips_padding(AlgorithmId id) { return id == AlgorithmId::direct || id == AlgorithmId::depthwise; }

bool spoiled_by_weights(const Problem& p, AlgorithmId id, bool pixel_lanes) {
    return is_winograd(id) || (p.padded() && (pixel_lanes || !skips_padding(id)));
}

}  // namespace fastconv
