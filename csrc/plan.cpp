#include "plan.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <limits>

#include "blocking.hpp"
#include "phases.hpp"

namespace fastconv {
namespace {

constexpr double depthwise_effort = 4;    // an operation takes longer by so much: there are few to a byte
constexpr int64_t drawn_bytes = 4 << 20;  // of images drawn anew, at a time

template <class T>
const WinogradKernel<T>& winograd_kernel(const KernelTable& isa, const Problem& p, AlgorithmId id) {
    const Kernels<T>& k = kernels_of<T>(isa);
    return p.kernel[2] == 2 ? k.winograd5 : id == AlgorithmId::winograd2 ? k.winograd2 : k.winograd4;
}

template <class T>
const ConvKernel<T>& kernel_of(const KernelTable& isa, const Problem& p, AlgorithmId id) {
    const Kernels<T>& k = kernels_of<T>(isa);
    switch (id) {
        case AlgorithmId::im2col: return k.im2col;
        case AlgorithmId::pointwise: return k.pointwise;
        case AlgorithmId::winograd2:
        case AlgorithmId::winograd4: return winograd_kernel<T>(isa, p, id).kernel;
        case AlgorithmId::depthwise: return kernels_of<T>(*isa.depthwise).kernel;
        default: return k.direct;
    }
}

// The problem in the kernels' terms, before any blocking.
template <class T>
ConvArgs<T> arguments(const Problem& p) {
    ConvArgs<T> a{};
    describe(p, a);
    a.epilogue.activation = p.activation.kind;
    a.epilogue.low = T(p.activation.low);
    a.epilogue.high = T(p.activation.high);
    a.reduction = a.reduction_block = a.group_in * p.taps();
    return a;
}

// Where the taps of each axis lie, relative to an output's first, in elements.
using TapOffsets = std::array<std::vector<int64_t>, 3>;

template <class T>
TapOffsets tap_offsets(const ConvArgs<T>& a) {
    TapOffsets offsets;
    for (size_t i = 0; i < 3; ++i)
        for (int64_t tap = 0; tap < a.kernel[i]; ++tap) offsets[i].push_back(tap * a.dilation[i] * a.in.stride[i]);
    return offsets;
}

// The same where phases are sorted; tells the arguments how the images lie then.
template <class T>
TapOffsets take_phases(const Problem& asked, ConvArgs<T>& a) {
    TapOffsets offsets;
    int64_t inner = 1;
    for (size_t i = 3; i-- > 0;) {
        const Phases phases(asked, i);
        for (const int64_t position : phases.taps()) offsets[i].push_back(position * inner);
        a.in.stride[i] = phases.output_step() * inner;
        inner *= phases.size();
    }
    a.in.c_stride = inner;
    a.in.n_stride = asked.ic * inner;
    return offsets;
}

// Where each product lies in the input, relative to a pixel's first tap.
template <class T>
std::vector<int64_t> direct_offsets(const ConvArgs<T>& a, const TapOffsets& taps, const ProductOrder& order) {
    std::vector<int64_t> offsets(size_t(a.reduction));
    for (int64_t c = 0; c < a.group_in; ++c)
        for (int64_t d = 0; d < a.kernel[0]; ++d)
            for (int64_t h = 0; h < a.kernel[1]; ++h)
                for (int64_t w = 0; w < a.kernel[2]; ++w)
                    offsets[size_t(c * order.channel + d * order.tap[0] + h * order.tap[1] + w * order.tap[2])] =
                        c * a.in.c_stride + taps[0][size_t(d)] + taps[1][size_t(h)] + taps[2][size_t(w)];
    return offsets;
}

// Where each column of the kernel lies in the input, relative to a pixel's first: over slices, channels and width.
template <class T>
std::vector<int64_t> column_offsets(const ConvArgs<T>& a) {
    std::vector<int64_t> offsets;
    for (int64_t d = 0; d < a.kernel[0]; ++d)
        for (int64_t c = 0; c < a.group_in; ++c)
            for (int64_t w = 0; w < a.kernel[2]; ++w)
                offsets.push_back(d * a.dilation[0] * a.in.stride[0] + c * a.in.c_stride +
                                  w * a.dilation[2] * a.in.stride[2]);
    return offsets;
}

template <class T>
WeightSource<T> weight_source(const WeightStrides& s, const void* weights, const ProductPlaces& products,
                              const ProductOrder& order) {
    return {static_cast<const T*>(weights),
            s.origin,
            s.group,
            s.out,
            s.in,
            {s.tap[0], s.tap[1], s.tap[2]},
            products.offsets.data(),
            products.numbers.data(),
            order};
}

// The largest input with which no sum of Winograd's algorithm overflows: its transforms enlarge a number at most so much.
// Negative, so that nothing is safe, if the weights are so large that they overflow themselves, or so small that they would
// lose digits.
template <class T>
double winograd_safe_input(const Problem& p, double largest_weight) {
    using Limits = std::numeric_limits<T>;
    const double growth = 6 * 6 * (p.kernel[2] == 2 ? 12 * 12 : 9 * 9);  // of F(5x5) and F(4x4), input and output
    constexpr double most = Limits::max(), least = double(Limits::min()) / Limits::epsilon();
    if (largest_weight == 0) return most;
    if (largest_weight > most / 4 || largest_weight < least) return -1;
    return std::min(most / (2 * growth * double(p.ic / p.groups * p.taps())) / largest_weight, most);
}

template <class T>
std::string describe_tile(const Problem& p, AlgorithmId id, const KernelTable& isa, bool pixel_lanes) {
    const Kernels<T>& k = kernels_of<T>(isa);
    const int64_t vectors = std::clamp<int64_t>(parts_of(p.oc / p.groups, k.lanes), 1, k.tile_vectors);
    const int64_t width = vectors * k.lanes, rows = k.rows[vectors];
    switch (id) {
        case AlgorithmId::winograd2:
        case AlgorithmId::winograd4:
            if (pixel_lanes) return tile_text(2, "channels", k.winograd_vectors * k.lanes, "tiles");
            return tile_text(rows, "tiles", width, "channels");
        case AlgorithmId::depthwise:
            if (pixel_lanes) return tile_text(kernels_of<T>(*isa.depthwise).rows, "rows", 2 * k.lanes, "pixels");
            return tile_text(kernels_of<T>(*isa.depthwise).rows, "pixels", k.lanes, "channels");
        default:
            if (pixel_lanes) return tile_text(k.tile_rows, "channels", k.tile_vectors * k.lanes, "pixels");
            return tile_text(rows, "pixels", width, "channels");
    }
}

// How a problem is computed; a part of one whose border is drawn, as the order of its sums tells, has its own drawn too.
Problem computed_in_order(const Problem& asked, AlgorithmId id, const KernelTable& isa, bool finite,
                          std::optional<SumOrder> order) {
    const Problem p = as_computed(asked, id, isa, finite);
    const bool drawn = id == AlgorithmId::direct && order && !order->by_taps && p.padded();
    return drawn && finite && p.layout == Layout::channels_first ? with_phases_sorted(asked) : p;
}

bool is_drawn(const Problem& asked, const Problem& computed) {
    return asked.padded() != computed.padded() || asked.stride != computed.stride;
}

int64_t bytes_drawn(const Problem& p, const Border& border) {  // of an image
    return p.ic * border.padded()[0] * border.padded()[1] * border.padded()[2] * p.computed_size();
}

}  // namespace

ConvPlan::ConvPlan(const Problem& asked, AlgorithmId id, const KernelTable& isa, int threads, const WeightStrides& weights,
                   bool prepared, bool finite, std::optional<SumOrder> order)
    : asked_(asked),
      problem_(computed_in_order(asked, id, isa, finite, order)),
      strides_(weights),
      format_{id, &isa, false, {}},
      threads_(threads) {
    if (id == AlgorithmId::dot) {
        dot_.emplace(problem_, *dot_kernels<float>(isa), threads);
        summary_ = dot_->summary();
        return;
    }
    const bool drawn = is_drawn(asked, problem_), sorted = are_phases_sorted(asked, problem_);
    if (drawn) {
        border_ = std::make_unique<const Border>(asked, isa, threads, sorted);
        summary_.input = std::string("copied") + (asked.padded() ? " with its border" : "") +
                         (asked.stride != problem_.stride ? ", phases sorted" : "");
        draws_zeros_ = asked.padded() && asked.boundary == Boundary::constant;
        divide();
    }
    const Problem& p = problem_;
    const auto plan = [&]<class T>(ConvArgs<T>& a) {
        a = arguments<T>(p);
        const TapOffsets taps = sorted ? take_phases(asked, a) : tap_offsets(a);
        const bool takes_rows = id == AlgorithmId::direct || id == AlgorithmId::pointwise;
        if (takes_rows && algorithm_of(AlgorithmId::pointwise).unsupported(p, isa).empty()) {
            flatten(a.in);
            flatten(a.out);
        }
        a.pixel_lanes = pixels_in_lanes(p, id, isa);
        if (order && chooses_lanes(id)) a.pixel_lanes = order->pixel_lanes;
        if (skips_padding(id)) a.pixel_lanes &= finite || !spoiled_by_weights(p, id, a.pixel_lanes);
        order_ = order.value_or(fastconv::sum_order(p, id, a.pixel_lanes));
        format_.order = product_order(p, id, order_);
        format_.tiles = a.pixel_lanes && id != AlgorithmId::direct;
        a.weight_tiles = format_.tiles && !is_winograd(id);
        a.images = id == AlgorithmId::im2col || is_winograd(id) ? 1 : p.n;  // pixels and tiles run through all images
        const double effort = id == AlgorithmId::depthwise ? depthwise_effort : 1;
        summary_.threads = worthwhile_threads(effort * p.operations(), threads);
        block(p, id, isa, summary_.threads, prepared, a);
        a.column_step = format_.order.tap[2] == 1 ? a.kernel[2] : 1;
        if (id == AlgorithmId::direct || is_winograd(id)) offsets_ = direct_offsets(a, taps, format_.order);
        if (id == AlgorithmId::depthwise && a.pixel_lanes) offsets_ = column_offsets(a);
        products_ = product_places(p, format_.order, weights);

        const int64_t groups = id == AlgorithmId::depthwise ? 1 : p.groups;  // its blocks of channels run through them
        if (p.n > 0 && p.output_pixels() > 0 && p.oc > 0)
            summary_.tasks = a.images * groups * a.channel_blocks * a.pixel_blocks;
        if (summary_.tasks > 0) summary_.workspace_bytes = kernel_of<T>(isa, p, id).workspace(a);
        summary_.threads = int(std::clamp<int64_t>(summary_.tasks, 1, summary_.threads));
        summary_.tile = describe_tile<T>(p, id, isa, a.pixel_lanes);
        summary_.blocking = {{"channel_blocks", a.channel_blocks},
                             {"pixel_blocks", a.pixel_blocks},
                             {"pixel_block", a.pixel_block},
                             {"reduction", a.reduction},
                             {"reduction_block", a.reduction_block}};
        if (border_) summary_.blocking.push_back({"images", p.n});
    };
    with_type(p.dtype, [&]<class T>(T) { plan(args_.emplace<ConvArgs<T>>()); });
}

// Drawn images are computed with so many at a time, a number that depends on the problem alone and divides theirs.
void ConvPlan::divide() {
    if (asked_.n == 0) return;
    const int64_t image = std::max<int64_t>(bytes_drawn(asked_, *border_), 1);
    int64_t& n = problem_.n;
    n = std::clamp<int64_t>(drawn_bytes / image, 1, asked_.n);
    while (asked_.n % n != 0) --n;
    parts_ = asked_.n / n;
    summary_.input_bytes = n * bytes_drawn(asked_, *border_);
    part_bytes_ = n * asked_.ic * asked_.input_pixels() * asked_.computed_size();
}

bool ConvPlan::dense() const {
    const AlgorithmId id = format_.algorithm;
    return id == AlgorithmId::direct || id == AlgorithmId::im2col || id == AlgorithmId::pointwise;
}

int64_t ConvPlan::dense_weight_bytes() const {
    return std::visit(
        [&]<class T>(const ConvArgs<T>& a) {
            return round_up(kernels_of<T>(*format_.isa).pack.size(a) * int64_t(sizeof(T)), alignment);
        },
        args_);
}

int64_t ConvPlan::depthwise_weight_bytes() const {
    return std::visit(
        [&]<class T>(const ConvArgs<T>& a) {
            const int64_t lanes = kernels_of<T>(*format_.isa).lanes;
            return round_up((a.pixel_lanes ? problem_.oc : a.panels * lanes) * a.reduction * int64_t(sizeof(T)), alignment);
        },
        args_);
}

int64_t ConvPlan::winograd_weight_bytes() const {
    const int64_t points = winograd_size(problem_, format_.algorithm).points;
    return round_up(dense_weight_bytes() / problem_.taps() * points * points, alignment);
}

// Panels of Winograd's weights that one task reads alone are packed by it, and need not leave the caches.
template <class T>
bool ConvPlan::packs_panels(const ConvArgs<T>& a) const {
    return is_winograd(format_.algorithm) && a.pixel_blocks == 1 && !a.pixel_lanes;
}

// Winograd's weights are followed by the direct kernel's.
int64_t ConvPlan::packed_weight_bytes() const {
    if (dot_) return dot_->packed_bytes();
    if (dense()) return dense_weight_bytes();
    if (is_winograd(format_.algorithm)) return winograd_weight_bytes() + dense_weight_bytes();
    return depthwise_weight_bytes();
}

void ConvPlan::pack_to(const void* weights, void* to) const {
    if (dot_) return dot_->pack(static_cast<const uint16_t*>(weights), strides_, to);
    std::visit(
        [&]<class T>(const ConvArgs<T>& a) {
            const Kernels<T>& k = kernels_of<T>(*format_.isa);
            const WeightSource<T> source = weight_source<T>(strides_, weights, products_, format_.order);
            if (format_.algorithm == AlgorithmId::depthwise) {
                kernels_of<T>(*format_.isa->depthwise).pack(a, source, static_cast<T*>(to));
            } else if (is_winograd(format_.algorithm)) {
                const auto kernel = winograd_kernel<T>(*format_.isa, problem_, format_.algorithm).pack;
                T *own = static_cast<T*>(to), *dense_weights = own + winograd_weight_bytes() / int64_t(sizeof(T));
                parallel_for(a.groups * a.panels, summary_.threads, [&](int64_t task, int) {
                    kernel(a, source, task / a.panels, task % a.panels, dense_weights, own);
                });
            } else {
                parallel_for(a.groups, summary_.threads,
                             [&](int64_t group, int) { k.pack.group(a, source, group, static_cast<T*>(to)); });
            }
        },
        args_);
}

bool ConvPlan::can_unpack() const { return !dot_ && !is_half(asked_.dtype) && (dense() || is_winograd(format_.algorithm)); }

void ConvPlan::unpack(const PackedWeights& packed, void* weights) const {
    std::visit(
        [&]<class T>(const ConvArgs<T>& a) {
            const T* from = static_cast<const T*>(packed.data.data());
            if (!dense()) from += winograd_weight_bytes() / int64_t(sizeof(T));  // direct's, which follow
            const WeightSource<T> places = weight_source<T>(strides_, nullptr, products_, format_.order);
            parallel_for(a.groups, summary_.threads, [&](int64_t group, int) {
                kernels_of<T>(*format_.isa).pack.unpack(a, places, group, from, static_cast<T*>(weights));
            });
        },
        args_);
}

double ConvPlan::largest_weight(const void* weights) const {
    return largest(problem_.dtype, *format_.isa, weights, strides_.size, summary_.threads);
}

double ConvPlan::safe_input(double largest_weight) const {
    if (!is_winograd(format_.algorithm)) return 0;
    double safe = 0;
    with_type(problem_.dtype, [&]<class T>(T) { safe = winograd_safe_input<T>(problem_, largest_weight); });
    return safe;
}

std::shared_ptr<const PackedWeights> ConvPlan::pack(const void* weights) const {
    WeightMemory memory(packed_weight_bytes());
    pack_to(weights, memory.data());
    const double safe = safe_input(is_winograd(format_.algorithm) ? largest_weight(weights) : 0);
    return std::make_shared<const PackedWeights>(PackedWeights{format_, std::move(memory), safe});
}

template <class T>
ConvArgs<T> ConvPlan::arguments_of(const ConvArgs<T>& planned, const void* x, const void* bias, void* y) const {
    ConvArgs<T> a = planned;
    a.x = static_cast<const T*>(x);
    a.y = static_cast<T*>(y);
    a.epilogue.bias = static_cast<const T*>(bias);
    a.epilogue.y = a.y;
    a.offsets = offsets_.data();
    return a;
}

template <class T>
ConvArgs<T> ConvPlan::arguments_of(const ConvArgs<T>& planned, const void* x, const void* weights, double safe,
                                   const void* bias, void* y) const {
    ConvArgs<T> a = arguments_of(planned, x, bias, y);
    a.weights = static_cast<const T*>(weights);
    if (is_winograd(format_.algorithm)) a.direct_weights = a.weights + winograd_weight_bytes() / int64_t(sizeof(T));
    a.safe = T(safe);
    return a;
}

template <class F>
void ConvPlan::each_part(const void* x, void* y, const F& f) const {
    if (!border_ || summary_.tasks == 0) return f(x, y);
    const Problem& p = problem_;
    const Workspace images(summary_.input_bytes);
    const int64_t y_bytes = p.n * p.oc * p.output_pixels() * p.computed_size();
    for (int64_t i = 0; i < parts_; ++i) {
        border_->pad(p.n, static_cast<const char*>(x) + i * part_bytes_, images.data());
        f(images.data(), static_cast<char*>(y) + i * y_bytes);
    }
}

void ConvPlan::run(const void* x, const PackedWeights& weights, const void* bias, void* y, const void* residual) const {
    each_part(x, y, [&](const void* from, void* to) {
        const auto part = static_cast<char*>(to) - static_cast<char*>(y);
        run_packed(from, weights.data.data(), weights.safe, bias, to,
                   residual ? static_cast<const char*>(residual) + part : nullptr);
    });
}

void ConvPlan::run_packed(const void* x, const void* weights, double safe, const void* bias, void* y,
                          const void* residual) const {
    if (summary_.tasks == 0) return;
    if (dot_) return dot_->run(x, weights, static_cast<const float*>(bias), y);
    std::visit(
        [&]<class T>(const ConvArgs<T>& planned) {
            ConvArgs<T> a = arguments_of(planned, x, weights, safe, bias, y);
            a.epilogue.residual = static_cast<const T*>(residual);
            const auto kernel = kernel_of<T>(*format_.isa, problem_, format_.algorithm).run;
            run_tasks(summary_, 0, [&](int64_t task, char* workspace, char*) { kernel(a, task, workspace); });
        },
        args_);
}

std::vector<ConvPlan::Stage> ConvPlan::stages() const {
    const Problem& p = problem_;
    const double parts = double(parts_);
    if (!is_winograd(format_.algorithm)) return {{"convolution", parts * p.operations(), "FLOP"}};
    const auto [repeated, fused] =
        std::visit([](const auto& a) { return std::pair(a.channel_blocks, a.pixel_lanes); }, args_);
    const double positions = winograd_positions(p, format_.algorithm, !fused), element = double(p.computed_size());
    const double in = double(p.n * p.ic) * double(p.input[1] * p.input[2]), out = double(p.n * p.oc * p.output_pixels());
    const Stage input{"input transform", parts * double(repeated) * element * (in + positions * double(p.ic)), "B"};
    const double products = parts * 2 * positions * double(p.ic / p.groups * p.oc);
    if (fused) return {input, {"multiply, output transform", products, "FLOP"}};
    return {input,
            {"multiply", products, "FLOP"},
            {"output transform", parts * element * (out + positions * double(p.oc)), "B"}};
}

std::vector<int64_t> ConvPlan::profile(const void* x, const PackedWeights& weights, const void* bias, void* y) const {
    std::atomic<int64_t> total[StageTimes::most] = {};
    const auto now = [] {
        const auto time = std::chrono::steady_clock::now().time_since_epoch();
        return int64_t(std::chrono::duration_cast<std::chrono::nanoseconds>(time).count());
    };
    const auto run = [&](const void* from, void* to) {
        if (dot_) {
            const int64_t begin = now();
            run_packed(from, weights.data.data(), weights.safe, bias, to);
            total[0] += (now() - begin) * summary_.threads;
            return;
        }
        std::visit(
            [&]<class T>(const ConvArgs<T>& planned) {
                const ConvArgs<T> a = arguments_of(planned, from, weights.data.data(), weights.safe, bias, to);
                const auto kernel = kernel_of<T>(*format_.isa, problem_, format_.algorithm).run;
                run_tasks(summary_, 0, [&](int64_t task, char* workspace, char*) {
                    StageTimes times{now, {}};
                    ConvArgs<T> mine = a;
                    mine.stages = &times;
                    const int64_t begin = now();
                    kernel(mine, task, workspace);
                    if (stages().size() == 1) times.nanoseconds[0] = now() - begin;
                    for (int i = 0; i < StageTimes::most; ++i) total[i] += times.nanoseconds[i];
                });
            },
            args_);
    };
    if (summary_.tasks > 0) each_part(x, y, run);
    return {total, total + stages().size()};
}

void ConvPlan::run(const void* x, const void* weights, const void* bias, void* y) const {
    if (summary_.tasks == 0) return;
    if (dot_) {
        const Workspace packed(packed_weight_bytes());
        pack_to(weights, packed.data());
        return run_packed(x, packed.data(), 0, bias, y);
    }
    std::visit(
        [&]<class T>(const ConvArgs<T>& planned) {
            const Kernels<T>& k = kernels_of<T>(*format_.isa);
            const bool spoiled = draws_zeros_ || spoiled_by_weights(problem_, format_.algorithm, planned.pixel_lanes);
            const double most = spoiled ? largest_weight(weights) : 0;
            if (!std::isfinite(most)) {
                const ConvPlan direct(asked_, AlgorithmId::direct, *format_.isa, threads_, strides_, false, false);
                return direct.run(x, weights, bias, y);
            }
            const bool panels = packs_panels(planned);
            if ((!dense() && !panels) || parts_ > 1) {
                const Workspace packed(packed_weight_bytes());
                pack_to(weights, packed.data());
                return each_part(
                    x, y, [&](const void* from, void* to) { run_packed(from, packed.data(), safe_input(most), bias, to); });
            }

            const auto kernel = kernel_of<T>(*format_.isa, problem_, format_.algorithm).run;
            const WeightSource<T> source = weight_source<T>(strides_, weights, products_, format_.order);
            each_part(x, y, [&](const void* from, void* to) {
                ConvArgs<T> a = arguments_of(planned, from, bias, to);
                if (panels) {
                    a.unpacked = &source;
                    a.safe = T(safe_input(most));
                    const auto& winograd = winograd_kernel<T>(*format_.isa, problem_, format_.algorithm);
                    const int64_t bytes = winograd.panel_weights(a) * int64_t(sizeof(T));
                    return run_tasks(summary_, bytes, [&](int64_t task, char* workspace, char* own) {
                        ConvArgs<T> mine = a;
                        mine.panel_weights = reinterpret_cast<T*>(own);
                        kernel(mine, task, workspace);
                    });
                }
                // One thread's tasks follow each other, so that it packs each block of channels once.
                const int64_t packed = alignment + k.pack.task_size(a) * int64_t(sizeof(T));
                run_tasks(summary_, packed, [&](int64_t task, char* workspace, char* own) {
                    ConvArgs<T> mine = a;
                    k.pack.task(mine, source, task, reinterpret_cast<T*>(own + alignment), *reinterpret_cast<int64_t*>(own));
                    kernel(mine, task, workspace);
                });
            });
        },
        args_);
}

}  // namespace fastconv
