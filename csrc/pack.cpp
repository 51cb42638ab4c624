#include "pack.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "schedule.hpp"

namespace fastconv {
namespace {

constexpr int64_t examined_per_task = 1 << 16;  // weights

}  // namespace

int64_t panels_of(int64_t channels, int lanes, int vectors) {
    return std::max<int64_t>(parts_of(channels, lanes) / vectors, 1);
}

SumOrder sum_order(const Problem& p, AlgorithmId id, bool pixel_lanes) {
    return {p.padded(), pixel_lanes && chooses_lanes(id)};
}

bool chooses_lanes(AlgorithmId id) { return id == AlgorithmId::depthwise || id == AlgorithmId::winograd4; }

ProductOrder product_order(const Problem& p, AlgorithmId id, SumOrder order) {
    const int64_t in = p.ic / p.groups, kh = p.kernel[1], kw = p.kernel[2];
    if (is_winograd(id)) id = AlgorithmId::direct;  // which computes the tiles that Winograd's algorithm would spoil
    if (id == AlgorithmId::depthwise && order.pixel_lanes) return {kw * kh, {in * kw * kh, 1, kh}};
    if (id == AlgorithmId::direct && order.by_taps) return {1, {kw * kh * in, in, kh * in}};
    if (id == AlgorithmId::depthwise || id == AlgorithmId::direct) return {kw, {kh * in * kw, in * kw, 1}};
    if (p.layout == Layout::channels_first) return {p.taps(), {kh * kw, kw, 1}};
    return {1, {kh * kw * in, kw * in, in}};
}

WeightStrides weight_strides(const Problem& p) {
    const int64_t in = p.ic / p.groups, out = p.oc / p.groups, taps = p.taps();
    const bool first = p.layout == Layout::channels_first;
    const int64_t tap = first ? 1 : in * p.oc;
    return {.origin = 0,
            .group = first ? out * in * taps : out,
            .out = first ? in * taps : 1,
            .in = first ? taps : p.oc,
            .tap = {tap * p.kernel[1] * p.kernel[2], tap * p.kernel[2], tap},
            .size = p.oc * in * taps};
}

ProductPlaces product_places(const Problem& p, const ProductOrder& order, const WeightStrides& w) {
    struct Place {
        int64_t offset, number;
    };
    std::vector<Place> places;
    places.reserve(size_t(p.ic / p.groups * p.taps()));
    for (int64_t c = 0; c < p.ic / p.groups; ++c)
        for (int64_t d = 0; d < p.kernel[0]; ++d)
            for (int64_t h = 0; h < p.kernel[1]; ++h)
                for (int64_t x = 0; x < p.kernel[2]; ++x)
                    places.push_back({w.origin + c * w.in + d * w.tap[0] + h * w.tap[1] + x * w.tap[2],
                                      c * order.channel + d * order.tap[0] + h * order.tap[1] + x * order.tap[2]});
    const auto before = [](const Place& a, const Place& b) { return a.offset < b.offset; };
    if (!std::is_sorted(places.begin(), places.end(), before)) std::sort(places.begin(), places.end(), before);
    ProductPlaces result;
    for (const Place& place : places) {
        result.offsets.push_back(place.offset);
        result.numbers.push_back(place.number);
    }
    return result;
}

double largest(DType dtype, const KernelTable& isa, const void* weights, int64_t size, int threads) {
    double most = 0;
    with_type(computed_in(dtype), [&]<class T>(T) {
        const T* values = static_cast<const T*>(weights);
        const int64_t parts = std::clamp<int64_t>(size / examined_per_task, 1, threads);
        std::vector<T> found(size_t(parts), T(0));
        parallel_for(parts, threads, [&](int64_t i, int) {
            const int64_t begin = size * i / parts, end = size * (i + 1) / parts;
            found[size_t(i)] = kernels_of<T>(isa).largest(values + begin, end - begin);
        });
        for (const T one : found)
            if (!std::isnan(most) && !(double(one) <= most)) most = double(one);
    });
    return most;
}

bool skips_padding(AlgorithmId id) { return id == AlgorithmId::direct || id == AlgorithmId::depthwise; }

Choice choose_for_weights(const Problem& p, const std::string& name, const KernelTable& isa, bool finite) {
    Choice choice = choose(p, name, isa);
    if (!finite && spoiled_by_weights(with_border_drawn(p), choice.algorithm->id, false)) {
        choice.algorithm = &algorithm_of(AlgorithmId::direct);
        choice.reason = "some weights are not finite, and the padding must not meet them";
    }
    return choice;
}

bool spoiled_by_weights(const Problem& p, AlgorithmId id, bool pixel_lanes) {
    return is_winograd(id) || (p.padded() && (pixel_lanes || !skips_padding(id)));
}

}  // namespace fastconv
