#include "pack.hpp"

#include <algorithm>
#include <vector>

#include "schedule.hpp"
#include "winograd_weights.hpp"

namespace fastconv {
namespace {

// Where an output channel of a group lies in its packed panels: element k of its sum at base + k * width.
struct PanelPlace {
    int64_t base, width;
};

// Channels of one group as panels.
class Panels {
   public:
    template <class T>
    Panels(int64_t channels, const Kernels<T>& k)
        : full_(int64_t(k.tile_vectors) * k.lanes),
          padded_(std::max<int64_t>(parts_of(channels, k.lanes), 1) * k.lanes),
          last_(panels_of(channels, k.lanes, k.tile_vectors) - 1) {}

    int64_t padded() const { return padded_; }
    PanelPlace place(int64_t channel, int64_t length) const {
        const int64_t panel = std::min(channel / full_, last_), first = panel * full_;
        return {first * length + channel - first, panel == last_ ? padded_ - first : full_};
    }

   private:
    int64_t full_, padded_, last_;
};

// U = G g G^T, [group][panel][position][channel][panel width]
template <class T, int m>
Buffer packed_winograd(const Problem& p, const KernelTable& isa, const WeightView& w) {
    constexpr int64_t positions = (m + 2) * (m + 2);
    const int64_t out = p.oc / p.groups, in = p.ic / p.groups;
    const Panels panels(out, kernels_of<T>(isa));
    const int64_t group = panels.padded() * positions * in;
    Buffer buffer(p.groups * group * int64_t(sizeof(T)));
    T* to = static_cast<T*>(buffer.data());
    std::fill(to, to + p.groups * group, T(0));
    for (int64_t g = 0; g < p.groups; ++g)
        for (int64_t o = 0; o < out; ++o)
            for (int64_t c = 0; c < in; ++c) {
                const T* from = static_cast<const T*>(w.data) + (g * out + o) * w.oc_stride + c * w.ic_stride;
                double taps[9], transformed[positions];
                for (int i = 0; i < 9; ++i) taps[i] = double(from[i / 3 * w.stride[1] + i % 3 * w.stride[2]]);
                winograd_transform_weights<m>(taps, transformed);
                const PanelPlace at = panels.place(o, positions * in);
                for (int64_t i = 0; i < positions; ++i)
                    to[g * group + at.base + (i * in + c) * at.width] = T(transformed[i]);
            }
    return buffer;
}

// Channels first [group][multiple][tap]; channels last [multiple][tap][group]
template <class T>
Buffer packed_depthwise(const Problem& p, const WeightView& w) {
    const int64_t taps = p.taps(), multiples = p.oc / p.groups;
    Buffer buffer(p.oc * taps * int64_t(sizeof(T)));
    T* to = static_cast<T*>(buffer.data());
    for (int64_t o = 0; o < p.oc; ++o)
        for (int64_t tap = 0; tap < taps; ++tap) {
            const int64_t x = tap % p.kernel[2], h = tap / p.kernel[2] % p.kernel[1], d = tap / p.kernel[2] / p.kernel[1];
            const T value =
                static_cast<const T*>(w.data)[o * w.oc_stride + d * w.stride[0] + h * w.stride[1] + x * w.stride[2]];
            const int64_t g = o / multiples, q = o % multiples;
            to[p.layout == Layout::channels_first ? o * taps + tap : (q * taps + tap) * p.groups + g] = value;
        }
    return buffer;
}

}  // namespace

int64_t panels_of(int64_t channels, int lanes, int vectors) {
    return std::max<int64_t>(parts_of(channels, lanes) / vectors, 1);
}

ProductOrder product_order(const Problem& p, AlgorithmId id, const KernelTable& isa) {
    const int64_t in = p.ic / p.groups, kh = p.kernel[1], kw = p.kernel[2];
    const bool columns_last = !p.padded() || isa.f32.few_registers;
    if (id == AlgorithmId::direct && columns_last) return {kw, {kh * in * kw, in * kw, 1}};
    if (id == AlgorithmId::direct) return {1, {kw * kh * in, in, kh * in}};
    if (p.layout == Layout::channels_first) return {p.taps(), {kh * kw, kw, 1}};
    return {1, {kh * kw * in, kw * in, in}};
}

std::vector<int64_t> product_numbers(const Problem& p, const ProductOrder& order) {
    const int64_t in = p.ic / p.groups;
    const bool first = p.layout == Layout::channels_first;
    std::vector<int64_t> numbers;
    numbers.reserve(size_t(in * p.taps()));
    for (int64_t outer = 0; outer < (first ? in : 1); ++outer)
        for (int64_t d = 0; d < p.kernel[0]; ++d)
            for (int64_t h = 0; h < p.kernel[1]; ++h)
                for (int64_t x = 0; x < p.kernel[2]; ++x)
                    for (int64_t inner = 0; inner < (first ? 1 : in); ++inner)
                        numbers.push_back((outer + inner) * order.channel + d * order.tap[0] + h * order.tap[1] +
                                          x * order.tap[2]);
    return numbers;
}

WeightView weight_view(const Problem& p, const void* data) {
    const int64_t in = p.ic / p.groups;
    const bool first = p.layout == Layout::channels_first;
    WeightView w{data, 0, 0, {}, first};
    w.oc_stride = first ? in * p.taps() : 1;
    w.ic_stride = first ? p.taps() : p.oc;
    w.stride[2] = first ? 1 : in * p.oc;
    w.stride[1] = w.stride[2] * p.kernel[2];
    w.stride[0] = w.stride[1] * p.kernel[1];
    return w;
}

Buffer pack(const Problem& p, AlgorithmId id, const KernelTable& isa, const WeightView& w) {
    const bool single = p.dtype == DType::f32;
    switch (id) {
        case AlgorithmId::winograd2:
            return single ? packed_winograd<float, 2>(p, isa, w) : packed_winograd<double, 2>(p, isa, w);
        case AlgorithmId::winograd4:
            return single ? packed_winograd<float, 4>(p, isa, w) : packed_winograd<double, 4>(p, isa, w);
        default: return single ? packed_depthwise<float>(p, w) : packed_depthwise<double>(p, w);
    }
}

int64_t pack_size(const Problem& p, AlgorithmId id, const KernelTable& isa) {
    const int64_t out = p.oc / p.groups, in = p.ic / p.groups, m = id == AlgorithmId::winograd2 ? 4 : 6;
    const Panels panels = p.dtype == DType::f32 ? Panels(out, isa.f32) : Panels(out, isa.f64);
    const int64_t elements = id == AlgorithmId::depthwise ? p.oc * p.taps() : p.groups * panels.padded() * in * m * m;
    return round_up(elements * p.element_size(), alignment);
}

bool all_finite(const Problem& p, const KernelTable& isa, const WeightView& w) {
    const int64_t count = p.oc * (p.ic / p.groups) * p.taps();
    return p.dtype == DType::f32 ? isa.f32.all_finite(static_cast<const float*>(w.data), count)
                                 : isa.f64.all_finite(static_cast<const double*>(w.data), count);
}

bool spoiled_by_weights(const Problem& p, AlgorithmId id, bool pixel_lanes) {
    const bool winograd = id == AlgorithmId::winograd2 || id == AlgorithmId::winograd4;
    return winograd || (p.padded() && (id != AlgorithmId::direct || pixel_lanes));
}

}  // namespace fastconv
