#include "pack.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "schedule.hpp"
#include "winograd_weights.hpp"

namespace fastconv {

int64_t panels_of(int64_t channels, int lanes, int vectors) {
    return std::max<int64_t>(parts_of(channels, lanes) / vectors, 1);
}

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


template <class T>
int64_t packed_weight_elements(const Problem& p, AlgorithmId id, const KernelTable& isa) {
    const Kernels<T>& k = kernels_of<T>(isa);
    const int64_t out = p.oc / p.groups, in = p.ic / p.groups;
    const int64_t padded = Panels(out, k).padded();
    switch (id) {
        case AlgorithmId::im2col:
        case AlgorithmId::pointwise: return p.groups * (pixels_in_lanes(p, id, isa) ? out : padded) * in * p.taps();
        case AlgorithmId::winograd2: return p.groups * padded * in * 16;
        case AlgorithmId::winograd4: return p.groups * padded * in * 36;
        case AlgorithmId::depthwise: return p.oc * p.taps();
        default: return p.groups * padded * in * p.taps();
    }
}

// Calls f(oc within the group, number of the product, value) for one group.
template <class T, class F>
void for_each_weight(const Problem& p, const WeightView& w, const ProductOrder& order, int64_t group, const F& f) {
    const int64_t out = p.oc / p.groups, in = p.ic / p.groups;
    const T* data = static_cast<const T*>(w.data) + group * out * w.oc_stride;
    const auto visit = [&](int64_t o, int64_t c, int64_t d, int64_t h, int64_t x) {
        f(o, c * order.channel + d * order.tap[0] + h * order.tap[1] + x * order.tap[2],
          data[o * w.oc_stride + c * w.ic_stride + d * w.stride[0] + h * w.stride[1] + x * w.stride[2]]);
    };
    const auto for_each_tap = [&](const auto& g) {
        for (int64_t d = 0; d < p.kernel[0]; ++d)
            for (int64_t h = 0; h < p.kernel[1]; ++h)
                for (int64_t x = 0; x < p.kernel[2]; ++x) g(d, h, x);
    };
    if (w.oc_stride == 1)  // read in the order in which they lie
        for_each_tap([&](int64_t d, int64_t h, int64_t x) {
            for (int64_t c = 0; c < in; ++c)
                for (int64_t o = 0; o < out; ++o) visit(o, c, d, h, x);
        });
    else
        for (int64_t o = 0; o < out; ++o)
            for (int64_t c = 0; c < in; ++c) for_each_tap([&](int64_t d, int64_t h, int64_t x) { visit(o, c, d, h, x); });
}

// [group][panel][product][panel width], zeros behind the last channel
template <class T>
void pack_panels(const Problem& p, const WeightView& w, const ProductOrder& order, const Panels& panels, T* to) {
    const int64_t out = p.oc / p.groups, products = p.ic / p.groups * p.taps(), group = panels.padded() * products;
    if (out < panels.padded()) std::fill(to, to + p.groups * group, T(0));
    for (int64_t g = 0; g < p.groups; ++g)
        for_each_weight<T>(p, w, order, g, [&](int64_t o, int64_t k, T value) {
            const PanelPlace at = panels.place(o, products);
            to[g * group + at.base + k * at.width] = value;
        });
}

// [group][tile][product][row], tiles of nearly equal height
template <class T>
void pack_rows(const Problem& p, const WeightView& w, const ProductOrder& order, int tile_rows, T* to) {
    const int64_t out = p.oc / p.groups, products = p.ic / p.groups * p.taps(), tiles = parts_of(out, tile_rows);
    std::vector<int64_t> base(static_cast<size_t>(out)), rows(static_cast<size_t>(out));
    for (int64_t t = 0, begin = 0; t < tiles; ++t) {
        const int64_t height = out / tiles + (t < out % tiles);
        for (int64_t i = 0; i < height; ++i) {
            base[size_t(begin + i)] = begin * products + i;
            rows[size_t(begin + i)] = height;
        }
        begin += height;
    }
    for (int64_t g = 0; g < p.groups; ++g)
        for_each_weight<T>(p, w, order, g, [&](int64_t o, int64_t k, T value) {
            to[g * out * products + base[size_t(o)] + k * rows[size_t(o)]] = value;
        });
}

// Channels first [group][multiple][tap]; channels last [multiple][tap][group]
template <class T>
void pack_depthwise(const Problem& p, const WeightView& w, T* to) {
    const int64_t taps = p.taps(), multiples = p.oc / p.groups;
    for (int64_t g = 0; g < p.groups; ++g)
        for_each_weight<T>(p, w, product_order(p, AlgorithmId::depthwise), g, [&](int64_t q, int64_t tap, T value) {
            if (p.layout == Layout::channels_first)
                to[(g * multiples + q) * taps + tap] = value;
            else
                to[(q * taps + tap) * p.groups + g] = value;
        });
}

// U = G g G^T, [group][panel][position][channel][panel width]
template <class T, int m>
void pack_winograd(const Problem& p, const WeightView& w, const Panels& panels, T* to) {
    constexpr int64_t positions = (m + 2) * (m + 2);
    const int64_t out = p.oc / p.groups, in = p.ic / p.groups, group = panels.padded() * positions * in;
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
}

template <class T>
Buffer pack(const Problem& p, AlgorithmId id, const KernelTable& isa, const WeightView& w) {
    const Kernels<T>& k = kernels_of<T>(isa);
    const Panels panels(p.oc / p.groups, k);
    const ProductOrder order = product_order(p, id);
    Buffer buffer(packed_weight_elements<T>(p, id, isa) * int64_t(sizeof(T)));
    T* to = static_cast<T*>(buffer.data());
    switch (id) {
        case AlgorithmId::im2col:
        case AlgorithmId::pointwise:
            if (pixels_in_lanes(p, id, isa))
                pack_rows(p, w, order, k.tile_rows, to);
            else
                pack_panels(p, w, order, panels, to);
            break;
        case AlgorithmId::winograd2: pack_winograd<T, 2>(p, w, panels, to); break;
        case AlgorithmId::winograd4: pack_winograd<T, 4>(p, w, panels, to); break;
        case AlgorithmId::depthwise: pack_depthwise(p, w, to); break;
        default: pack_panels(p, w, order, panels, to);
    }
    return buffer;
}

template <class T>
bool all_finite(const T* values, int64_t count) {
    for (int64_t i = 0; i < count; ++i)
        if (!(std::abs(values[i]) <= std::numeric_limits<T>::max())) return false;
    return true;
}

}  // namespace

ProductOrder product_order(const Problem& p, AlgorithmId id) {
    const int64_t in = p.ic / p.groups, kh = p.kernel[1], kw = p.kernel[2];
    if (id == AlgorithmId::direct && p.padded()) return {1, {kw * kh * in, in, kh * in}};
    if (p.layout == Layout::channels_first) return {p.taps(), {kh * kw, kw, 1}};
    return {1, {kh * kw * in, kw * in, in}};
}

WeightView weight_view(const Problem& p, const void* data) {
    const int64_t in = p.ic / p.groups;
    WeightView w{data, 0, 0, {}};
    const bool first = p.layout == Layout::channels_first;
    w.oc_stride = first ? in * p.taps() : 1;
    w.ic_stride = first ? p.taps() : p.oc;
    w.stride[2] = first ? 1 : in * p.oc;
    w.stride[1] = w.stride[2] * p.kernel[2];
    w.stride[0] = w.stride[1] * p.kernel[1];
    return w;
}

int64_t packed_weight_bytes(const Problem& p, AlgorithmId id, const KernelTable& isa) {
    if (id == AlgorithmId::pool) return 0;
    return round_up(p.element_size() * (p.dtype == DType::f32 ? packed_weight_elements<float>(p, id, isa)
                                                              : packed_weight_elements<double>(p, id, isa)),
                    alignment);
}

bool spoiled_by_weights(const Problem& p, AlgorithmId id, bool finite) {
    if (finite) return false;
    const bool winograd = id == AlgorithmId::winograd2 || id == AlgorithmId::winograd4;
    return winograd || (p.padded() && id != AlgorithmId::direct);
}

std::shared_ptr<const PackedWeights> pack_weights(const Problem& p, AlgorithmId id, const KernelTable& isa,
                                                  const WeightView& w) {
    const int64_t count = p.oc * (p.ic / p.groups) * p.taps();
    const bool finite = p.dtype == DType::f32 ? all_finite(static_cast<const float*>(w.data), count)
                                              : all_finite(static_cast<const double*>(w.data), count);
    if (spoiled_by_weights(p, id, finite)) id = AlgorithmId::direct;
    Buffer data = p.dtype == DType::f32 ? pack<float>(p, id, isa, w) : pack<double>(p, id, isa, w);
    return std::make_shared<const PackedWeights>(PackedWeights{id, &isa, std::move(data), finite});
}

}  // namespace fastconv
