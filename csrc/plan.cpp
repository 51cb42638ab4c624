#include "plan.hpp"

#include <algorithm>
#include <cmath>

#include "parallel.hpp"
#include "winograd_weights.hpp"

namespace fastconv {
namespace {

// ---- numbers that block the work ----

constexpr double operations_per_thread = 1e6;     // below this a second thread costs more than it brings
constexpr int64_t tasks_per_thread = 4;           // enough that threads finish together
constexpr double operations_per_task = 256e6;     // at most, so that a call can be interrupted within milliseconds
constexpr int64_t im2col_panel_bytes = 512 << 10;  // patches gathered at a time
constexpr int64_t im2col_sums_bytes = 256 << 10;   // sums waiting for the next panel
constexpr int64_t winograd_block_bytes = 1 << 20;  // transformed input and products of one block of tiles
constexpr int64_t winograd_most_tiles = 64;

int64_t parts(int64_t total, int64_t most) { return (total + most - 1) / most; }

TensorShape dense(const Problem& p, int64_t channels, const Axes& size) {
    const bool first = p.layout == Layout::channels_first;
    const int64_t inner = first ? 1 : channels, pixels = size[0] * size[1] * size[2];
    TensorShape t{};
    for (int i = 0; i < 3; ++i) t.size[i] = size[i];
    t.n_stride = channels * pixels;
    t.c_stride = first ? pixels : 1;
    t.stride[2] = inner;
    t.stride[1] = inner * size[2];
    t.stride[0] = inner * size[2] * size[1];
    return t;
}

// Pixels of a 1x1 convolution form one long row.
void flatten(TensorShape& t) {
    t.size[2] *= t.size[0] * t.size[1];
    t.size[0] = t.size[1] = 1;
}

int64_t panel_width(int64_t channels, int lanes, int vectors) { return channels <= lanes ? lanes : int64_t(vectors) * lanes; }

// Splits `units` of work in one image so that all images and blocks of channels together make enough tasks.
template <class Args>
void split_pixels(Args& a, int64_t units, int64_t unit, int64_t outer, double operations, int threads) {
    const double least = std::ceil(operations / operations_per_task / double(std::max<int64_t>(outer, 1)));
    int64_t blocks = int64_t(std::min(least, 1e9));
    if (threads > 1) blocks = std::max(blocks, parts(tasks_per_thread * threads, std::max<int64_t>(outer, 1)));
    blocks = std::clamp<int64_t>(blocks, 1, std::max<int64_t>(units, 1));
    a.pixel_block = std::max<int64_t>(parts(units, blocks), 1) * unit;
    a.pixel_blocks = parts(units * unit, a.pixel_block);
}

// ---- packing ----

template <class T>
int64_t packed_weight_elements(const Problem& p, AlgorithmId id, const Kernels<T>& k) {
    const int64_t out = p.oc / p.groups, in = p.ic / p.groups;
    const int64_t padded = round_up(out, panel_width(out, k.lanes, k.tile_vectors));
    switch (id) {
        case AlgorithmId::im2col:
        case AlgorithmId::pointwise:
            return p.groups * (p.layout == Layout::channels_first ? out : padded) * in * p.taps();
        case AlgorithmId::winograd2: return p.groups * padded * in * 16;
        case AlgorithmId::winograd4: return p.groups * padded * in * 36;
        case AlgorithmId::depthwise: return p.oc * p.taps();
        default: return p.groups * padded * in * p.taps();
    }
}

enum class Order { taps_kw_kh, taps_kh_kw, channels_first };  // of the products, channels innermost but in the last

int64_t tap_number(const Problem& p, Order order, int64_t d, int64_t h, int64_t w) {
    return order == Order::taps_kw_kh ? (d * p.kernel[2] + w) * p.kernel[1] + h : (d * p.kernel[1] + h) * p.kernel[2] + w;
}

// Calls f(oc within the group, number of the product, value) for one group.
template <class T, class F>
void for_each_weight(const Problem& p, const WeightView& w, Order order, int64_t group, const F& f) {
    const int64_t out = p.oc / p.groups, in = p.ic / p.groups, taps = p.taps();
    const T* data = static_cast<const T*>(w.data) + group * out * w.oc_stride;
    const auto visit = [&](int64_t o, int64_t c, int64_t d, int64_t h, int64_t x) {
        const int64_t tap = tap_number(p, order, d, h, x);
        f(o, order == Order::channels_first ? c * taps + tap : tap * in + c,
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

// [group][panel][product][width], zeros behind the last channel
template <class T>
void pack_panels(const Problem& p, const WeightView& w, Order order, int64_t width, T* to) {
    const int64_t out = p.oc / p.groups, products = p.ic / p.groups * p.taps(), panels = parts(out, width);
    for (int64_t g = 0; g < p.groups; ++g) {
        T* group = to + g * panels * products * width;
        if (out % width) std::fill(group + (panels - 1) * products * width, group + panels * products * width, T(0));
        for_each_weight<T>(p, w, order, g, [&](int64_t o, int64_t k, T value) {
            group[(o / width * products + k) * width + o % width] = value;
        });
    }
}

// [group][tile][product][row], tiles of nearly equal height
template <class T>
void pack_rows(const Problem& p, const WeightView& w, Order order, int tile_rows, T* to) {
    const int64_t out = p.oc / p.groups, products = p.ic / p.groups * p.taps(), tiles = parts(out, tile_rows);
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
        for_each_weight<T>(p, w, Order::taps_kh_kw, g, [&](int64_t q, int64_t tap, T value) {
            if (p.layout == Layout::channels_first)
                to[(g * multiples + q) * taps + tap] = value;
            else
                to[(q * taps + tap) * p.groups + g] = value;
        });
}

// U = G g G^T, [group][panel][position][channel][width]
template <class T, int m>
void pack_winograd(const Problem& p, const WeightView& w, int64_t width, T* to) {
    constexpr int64_t positions = (m + 2) * (m + 2);
    const int64_t out = p.oc / p.groups, in = p.ic / p.groups, panels = parts(out, width);
    std::fill(to, to + p.groups * panels * positions * in * width, T(0));
    for (int64_t g = 0; g < p.groups; ++g)
        for (int64_t o = 0; o < out; ++o)
            for (int64_t c = 0; c < in; ++c) {
                const T* from = static_cast<const T*>(w.data) + (g * out + o) * w.oc_stride + c * w.ic_stride;
                double taps[9], transformed[positions];
                for (int i = 0; i < 9; ++i) taps[i] = double(from[i / 3 * w.stride[1] + i % 3 * w.stride[2]]);
                winograd_transform_weights<m>(taps, transformed);
                T* panel = to + (g * panels + o / width) * positions * in * width + c * width + o % width;
                for (int64_t i = 0; i < positions; ++i) panel[i * in * width] = T(transformed[i]);
            }
}

template <class T>
Buffer pack(const Problem& p, AlgorithmId id, const Kernels<T>& k, const WeightView& w) {
    const int64_t width = panel_width(p.oc / p.groups, k.lanes, k.tile_vectors);
    const bool first = p.layout == Layout::channels_first;
    Buffer buffer(packed_weight_elements(p, id, k) * int64_t(sizeof(T)));
    T* to = static_cast<T*>(buffer.data());
    switch (id) {
        case AlgorithmId::im2col:
        case AlgorithmId::pointwise:
            if (first)
                pack_rows(p, w, Order::channels_first, k.tile_rows, to);
            else
                pack_panels(p, w, Order::taps_kh_kw, width, to);
            break;
        case AlgorithmId::winograd2: pack_winograd<T, 2>(p, w, width, to); break;
        case AlgorithmId::winograd4: pack_winograd<T, 4>(p, w, width, to); break;
        case AlgorithmId::depthwise: pack_depthwise(p, w, to); break;
        default: pack_panels(p, w, Order::taps_kw_kh, width, to);
    }
    return buffer;
}

template <class T>
bool all_finite(const T* values, int64_t count) {
    for (int64_t i = 0; i < count; ++i)
        if (!(std::abs(values[i]) <= std::numeric_limits<T>::max())) return false;
    return true;
}

template <class T>
const ConvKernel<T>& kernel_of(const Kernels<T>& k, AlgorithmId id) {
    switch (id) {
        case AlgorithmId::im2col: return k.im2col;
        case AlgorithmId::pointwise: return k.pointwise;
        case AlgorithmId::winograd2: return k.winograd2;
        case AlgorithmId::winograd4: return k.winograd4;
        case AlgorithmId::depthwise: return k.depthwise;
        default: return k.direct;
    }
}

std::string tile_text(int64_t rows, const char* row, int64_t columns, const char* column) {
    return std::to_string(rows) + " " + row + " x " + std::to_string(columns) + " " + column;
}

// Workspace for each thread of a team, allocated before the team starts.
template <class F>
void run_tasks(const PlanSummary& s, const F& task) {
    const int64_t each = round_up(s.workspace_bytes, alignment);
    Workspace workspace(each * s.threads);
    char* memory = workspace.data();
    if (s.threads == 1 && s.tasks == 1) return task(0, memory);
    parallel_for(s.tasks, s.threads, [&](int64_t i, int thread) { task(i, memory + thread * each); });
}

}  // namespace

int worthwhile_threads(double operations, int available) {
    return int(std::clamp(operations / operations_per_thread, 1.0, double(available)));
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
    return round_up(p.element_size() * (p.dtype == DType::f32 ? packed_weight_elements(p, id, isa.f32)
                                                              : packed_weight_elements(p, id, isa.f64)),
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
    Buffer data = p.dtype == DType::f32 ? pack<float>(p, id, isa.f32, w) : pack<double>(p, id, isa.f64, w);
    return std::make_shared<const PackedWeights>(PackedWeights{id, &isa, std::move(data), finite});
}

ConvPlan::ConvPlan(const Problem& p, AlgorithmId id, const KernelTable& isa, int threads) : algorithm_(id), isa_(&isa) {
    summary_.threads = worthwhile_threads(p.operations(), threads);
    if (p.dtype == DType::f32)
        plan<float>(p, isa, args_.emplace<ConvArgs<float>>(), summary_.threads);
    else
        plan<double>(p, isa, args_.emplace<ConvArgs<double>>(), summary_.threads);
}

template <class T>
void ConvPlan::plan(const Problem& p, const KernelTable& isa, ConvArgs<T>& a, int threads) {
    const Kernels<T>& k = kernels_of<T>(isa);
    const bool first = p.layout == Layout::channels_first;
    const int64_t rows = k.tile_rows, pitch = int64_t(k.tile_vectors) * k.lanes;
    a.in = dense(p, p.ic, p.input);
    a.out = dense(p, p.oc, p.output);
    a.channels_first = first;
    a.groups = p.groups;
    a.group_in = p.ic / p.groups;
    a.group_out = p.oc / p.groups;
    for (int i = 0; i < 3; ++i) {
        a.kernel[i] = p.kernel[i];
        a.step[i] = p.stride[i];
        a.dilation[i] = p.dilation[i];
        a.before[i] = p.before[i];
    }
    a.epilogue.activation = p.activation.kind;
    a.epilogue.low = T(p.activation.low);
    a.epilogue.high = T(p.activation.high);
    a.reduction = a.reduction_block = a.group_in * p.taps();
    a.channel_block = panel_width(a.group_out, k.lanes, k.tile_vectors);
    a.channel_blocks = parts(a.group_out, a.channel_block);

    if (algorithm_of(AlgorithmId::pointwise).unsupported(p).empty() &&
        (algorithm_ == AlgorithmId::direct || algorithm_ == AlgorithmId::pointwise)) {
        flatten(a.in);
        flatten(a.out);
    }
    const int64_t images = p.n * p.groups, pixels = p.output_pixels(), least_tasks = threads > 1 ? 2 * threads : 1;
    const auto split = [&](int64_t units, int64_t unit) {
        split_pixels(a, units, unit, images * a.channel_blocks, p.operations(), threads);
    };
    // Where pixels alone make too few tasks, output channels are split too.
    const auto split_channels = [&](int64_t tiles, int64_t pixel_units) {
        const int64_t tasks = std::max<int64_t>(images * pixel_units, 1);
        a.channel_blocks = std::clamp<int64_t>(parts(least_tasks, tasks), 1, std::max<int64_t>(tiles, 1));
    };

    switch (algorithm_) {
        case AlgorithmId::pointwise:
            if (first) {
                split_channels(parts(a.group_out, rows), parts(pixels, pitch));
                split(parts(pixels, pitch), pitch);
            } else {
                split(parts(pixels, rows), rows);
            }
            break;
        case AlgorithmId::im2col: {
            const int64_t tile_pixels = first ? pitch : rows, tile_channels = first ? rows : a.channel_block;
            const int64_t tiles = parts(a.group_out, tile_channels);
            split_channels(tiles, parts(pixels, tile_pixels));
            a.reduction_block = std::clamp<int64_t>(im2col_panel_bytes / (tile_pixels * int64_t(sizeof(T))), 1,
                                                    std::max<int64_t>(a.reduction, 1));
            if (a.reduction > a.reduction_block) {
                const int64_t tile_bytes = round_up(rows, k.lanes) * pitch * int64_t(sizeof(T));
                const int64_t waiting = std::max<int64_t>(im2col_sums_bytes / tile_bytes, 1);
                a.channel_blocks = std::max(a.channel_blocks, parts(tiles, waiting));
            }
            split(parts(pixels, tile_pixels), tile_pixels);
            break;
        }
        case AlgorithmId::winograd2:
        case AlgorithmId::winograd4: {
            const int64_t m = algorithm_ == AlgorithmId::winograd2 ? 2 : 4;
            const int64_t tiles = parts(p.output[1], m) * parts(p.output[2], m);
            const int64_t tile_bytes = (m + 2) * (m + 2) * int64_t(sizeof(T)) *
                                       (round_up(a.group_in, k.lanes) + a.channel_block);
            const int64_t most = std::clamp<int64_t>(winograd_block_bytes / tile_bytes, rows, winograd_most_tiles);
            int64_t blocks = parts(tiles, most);
            if (images * blocks < threads) {
                a.channel_blocks = std::clamp<int64_t>(parts(threads, std::max<int64_t>(images * blocks, 1)), 1,
                                                       parts(a.group_out, a.channel_block));
            } else {
                blocks = round_up(blocks, threads);
                a.channel_blocks = 1;
            }
            a.pixel_block = std::max<int64_t>(parts(tiles, blocks), 1);
            a.pixel_blocks = parts(tiles, a.pixel_block);
            break;
        }
        case AlgorithmId::depthwise:
            if (first) {
                a.channel_blocks = a.group_out;
                split(p.output[0] * p.output[1], 1);
            } else {
                a.channel_blocks = 1;
                split_pixels(a, p.output[0] * p.output[1], 1, p.n, p.operations(), threads);
            }
            break;
        default: {
            split(a.out.size[0] * a.out.size[1] * parts(a.out.size[2], rows), 1);
            offsets_.reserve(size_t(a.reduction));
            for (int64_t d = 0; d < a.kernel[0]; ++d)
                for (int64_t w = 0; w < a.kernel[2]; ++w)
                    for (int64_t h = 0; h < a.kernel[1]; ++h)
                        for (int64_t c = 0; c < a.group_in; ++c)
                            offsets_.push_back(c * a.in.c_stride + d * a.dilation[0] * a.in.stride[0] +
                                               h * a.dilation[1] * a.in.stride[1] + w * a.dilation[2] * a.in.stride[2]);
            break;
        }
    }

    const bool depthwise_last = algorithm_ == AlgorithmId::depthwise && !first;
    summary_.tasks = p.n * (depthwise_last ? 1 : p.groups) * a.channel_blocks * a.pixel_blocks;
    if (p.output_pixels() == 0 || p.oc == 0) summary_.tasks = 0;
    summary_.workspace_bytes = summary_.tasks ? kernel_of(k, algorithm_).workspace(a) : 0;
    summary_.threads = int(std::clamp<int64_t>(threads, 1, std::max<int64_t>(summary_.tasks, 1)));
    const bool pixel_lanes = first && (algorithm_ == AlgorithmId::im2col || algorithm_ == AlgorithmId::pointwise);
    if (algorithm_ == AlgorithmId::depthwise)
        summary_.tile = tile_text(1, "row", 4 * k.lanes, first ? "pixels" : "channels");
    else if (pixel_lanes)
        summary_.tile = tile_text(rows, "channels", pitch, "pixels");
    else
        summary_.tile = tile_text(rows, algorithm_ == AlgorithmId::direct || algorithm_ == AlgorithmId::im2col ||
                                                algorithm_ == AlgorithmId::pointwise
                                            ? "pixels"
                                            : "tiles",
                                  a.channel_block, "channels");
    summary_.blocking = {{"channel_blocks", a.channel_blocks}, {"pixel_blocks", a.pixel_blocks},
                         {"pixel_block", a.pixel_block},       {"reduction", a.reduction},
                         {"reduction_block", a.reduction_block}};
}

void ConvPlan::run(const void* x, const PackedWeights& weights, const void* bias, void* y) const {
    if (summary_.tasks == 0) return;
    std::visit(
        [&]<class T>(const ConvArgs<T>& planned) {
            ConvArgs<T> a = planned;
            a.x = static_cast<const T*>(x);
            a.weights = static_cast<const T*>(weights.data.data());
            a.y = static_cast<T*>(y);
            a.epilogue.bias = static_cast<const T*>(bias);
            a.offsets = offsets_.data();
            const auto kernel = kernel_of(kernels_of<T>(*isa_), algorithm_).run;
            run_tasks(summary_, [&](int64_t task, void* workspace) { kernel(a, task, workspace); });
        },
        args_);
}

// ---- pooling ----

PoolTable sliding_windows(const Problem& p, int axis) {
    PoolTable t;
    t.dilation = p.dilation[axis];
    const int64_t size = p.input[axis], before = p.before[axis], k = p.kernel[axis];
    for (int64_t o = 0; o < p.output[axis]; ++o) {
        const int64_t begin = o * p.stride[axis] - before;
        const int64_t skipped = begin < 0 ? parts(-begin, t.dilation) : 0;
        const int64_t within = begin < size ? parts(size - begin, t.dilation) : 0;
        t.first.push_back(begin + skipped * t.dilation);
        t.taps.push_back(std::max<int64_t>(std::min(k, within) - skipped, 0));
        // Counting the padding, a window still ends where the padding does.
        t.divisor.push_back(p.count_include_pad ? std::min(k, size + p.after[axis] - begin) : t.taps.back());
    }
    return t;
}

PoolTable adaptive_windows(int64_t input, int64_t output) {
    PoolTable t;
    for (int64_t o = 0; o < output; ++o) {
        // floor and ceil of o * input / output without overflowing the product
        const int64_t whole = input / output, rest = input % output;
        const auto scaled = [&](int64_t i, int64_t round) { return i * whole + int64_t((__int128(i) * rest + round) / output); };
        t.first.push_back(scaled(o, 0));
        t.taps.push_back(scaled(o + 1, output - 1) - t.first.back());
        t.divisor.push_back(t.taps.back());
    }
    return t;
}

PoolPlan::PoolPlan(const Problem& p, std::array<PoolTable, 3> tables, const KernelTable& isa, int threads)
    : isa_(&isa), tables_(std::move(tables)) {
    const auto plan = [&]<class T>(PoolArgs<T>& a) {
        a.kind = p.op == Op::max_pool ? PoolKind::maximum : PoolKind::average;
        a.in = dense(p, p.ic, p.input);
        a.out = dense(p, p.oc, p.output);
        a.channels_first = p.layout == Layout::channels_first;
        a.channels = p.ic;
        a.fixed_divisor = p.divisor_override;
        a.with_indices = p.indices;
        const int64_t planes = a.channels_first ? p.n * p.ic : p.n, rows = p.output[0] * p.output[1];
        summary_.threads = worthwhile_threads(p.operations(), threads);
        int64_t blocks = summary_.threads > 1 ? parts(tasks_per_thread * summary_.threads, std::max<int64_t>(planes, 1)) : 1;
        blocks = std::clamp<int64_t>(blocks, 1, std::max<int64_t>(rows, 1));
        a.row_block = std::max<int64_t>(parts(rows, blocks), 1);
        a.row_blocks = std::max<int64_t>(parts(rows, a.row_block), 1);
        summary_.tasks = p.output_pixels() && p.ic ? planes * a.row_blocks : 0;
        summary_.workspace_bytes = kernels_of<T>(isa).pool.workspace(a);
        summary_.threads = int(std::clamp<int64_t>(summary_.threads, 1, std::max<int64_t>(summary_.tasks, 1)));
        summary_.tile = tile_text(1, "row", kernels_of<T>(isa).lanes, a.channels_first ? "pixels" : "channels");
        summary_.blocking = {{"row_blocks", a.row_blocks}, {"row_block", a.row_block}};
    };
    if (p.dtype == DType::f32)
        plan(args_.emplace<PoolArgs<float>>());
    else
        plan(args_.emplace<PoolArgs<double>>());
}

void PoolPlan::run(const void* x, void* y, int64_t* indices) const {
    if (summary_.tasks == 0) return;
    std::visit(
        [&]<class T>(const PoolArgs<T>& planned) {
            PoolArgs<T> a = planned;
            a.x = static_cast<const T*>(x);
            a.y = static_cast<T*>(y);
            a.indices = indices;
            for (size_t i = 0; i < 3; ++i)
                a.axis[i] = {tables_[i].first.data(), tables_[i].taps.data(), tables_[i].divisor.data(), tables_[i].dilation};
            const auto kernel = kernels_of<T>(*isa_).pool.run;
            run_tasks(summary_, [&](int64_t task, void* workspace) { kernel(a, task, workspace); });
        },
        args_);
}

}  // namespace fastconv
