#include "plan.hpp"

#include <algorithm>
#include <cmath>

#include "cache.hpp"

namespace fastconv {
namespace {

constexpr double operations_per_task = 256e6;     // at most, so that a call can be interrupted within milliseconds
constexpr int64_t im2col_most_panel = 512 << 10;  // bytes of patches gathered at a time
constexpr int64_t im2col_most_sums = 256 << 10;   // bytes of sums waiting for the next panel
constexpr int64_t most_block_counts = 1 << 12;    // tried for the most even one
constexpr int64_t few_pixel_tiles = 16;           // of a 1x1 convolution, for each thread
constexpr int64_t winograd_most_block = 1 << 20;  // bytes of transformed input and products of one block of tiles
constexpr int64_t winograd_most_tiles = 64;

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

// Pixels of a 1x1 convolution form one long row.
void flatten(TensorShape& t) {
    t.size[2] *= t.size[0] * t.size[1];
    t.size[0] = t.size[1] = 1;
}

// The problem in the kernels' terms, before any blocking.
template <class T>
ConvArgs<T> arguments(const Problem& p) {
    ConvArgs<T> a{};
    a.in = dense_tensor(p, p.ic, p.input);
    a.out = dense_tensor(p, p.oc, p.output);
    a.channels_first = p.layout == Layout::channels_first;
    a.batch = p.n;
    a.groups = p.groups;
    a.group_in = p.ic / p.groups;
    a.group_out = p.oc / p.groups;
    for (size_t i = 0; i < 3; ++i) {
        a.kernel[i] = p.kernel[i];
        a.step[i] = p.stride[i];
        a.dilation[i] = p.dilation[i];
        a.before[i] = p.before[i];
    }
    a.epilogue.activation = p.activation.kind;
    a.epilogue.low = T(p.activation.low);
    a.epilogue.high = T(p.activation.high);
    a.reduction = a.reduction_block = a.group_in * p.taps();
    return a;
}

// Splits a convolution into tasks. Nothing decided here changes a result: sums are formed in one order however the
// pixels and channels around them are divided.
template <class T>
class Blocking {
   public:
    Blocking(const Problem& p, const Kernels<T>& k, int threads, ConvArgs<T>& a)
        : p_(p),
          a_(a),
          threads_(threads),
          rows_(k.tile_rows),
          pitch_(k.tile_vectors * k.lanes),
          lanes_(k.lanes),
          tile_sums_(k.tile_sums) {
        a.channel_block = pitch_;
        a.channel_blocks = a.panels = panels_of(a.group_out, k.lanes, k.tile_vectors);
    }

    void direct() {
        // Rows first; columns where there are too few rows.
        const int64_t rows = a_.out.size[0] * a_.out.size[1], others = images() * a_.channel_blocks;
        const int64_t tiles = parts_of(a_.out.size[2], a_.pixel_lanes ? pitch_ : rows_);
        const int64_t row_blocks = balanced_blocks(others, rows);
        a_.column_blocks = row_blocks < rows ? 1 : balanced_blocks(others * row_blocks, tiles);
        a_.pixel_blocks = row_blocks * a_.column_blocks;
        a_.pixel_block = parts_of(rows, row_blocks) * parts_of(a_.out.size[2], a_.column_blocks);
    }

    void pointwise() {
        const int64_t tile = a_.pixel_lanes ? pitch_ : rows_, units = parts_of(p_.output_pixels(), tile);
        const int64_t tiles = parts_of(a_.group_out, rows_);
        if (a_.pixel_lanes) split_channels(tiles, units, images());
        // With few pixels the weights are most of what is read: better each thread keeps its own.
        if (a_.pixel_lanes && images() * units < few_pixel_tiles * threads_)
            a_.channel_blocks = std::clamp<int64_t>(threads_, a_.channel_blocks, at_least_one(tiles));
        split_pixels(units, tile, images());
    }

    void im2col() {
        const int64_t tile_pixels = a_.pixel_lanes ? pitch_ : rows_;
        const int64_t tiles = a_.pixel_lanes ? parts_of(a_.group_out, rows_) : a_.panels;
        const int64_t units = parts_of(p_.n * p_.output_pixels(), tile_pixels);  // of all images together
        split_channels(tiles, units, p_.groups);
        a_.reduction_block = std::clamp<int64_t>(std::min(cache_sizes().l2 / 2, im2col_most_panel) / (tile_pixels * element),
                                                 1, at_least_one(a_.reduction));
        if (a_.reduction > a_.reduction_block) {
            const int64_t tile_bytes = tile_sums_ * element;
            const int64_t waiting = at_least_one(std::min(cache_sizes().l2 / 4, im2col_most_sums) / tile_bytes);
            a_.channel_blocks = std::max(a_.channel_blocks, parts_of(tiles, waiting));
        }
        split_pixels(units, tile_pixels, p_.groups);
    }

    void winograd(int64_t m) {
        const int64_t tiles = parts_of(p_.output[1], m) * parts_of(p_.output[2], m), panels = a_.panels;
        const int64_t tile_bytes = (m + 2) * (m + 2) * element * (round_up(a_.group_in, lanes_) + pitch_ + lanes_);
        const int64_t most =
            std::clamp<int64_t>(std::min(cache_sizes().l2, winograd_most_block) / tile_bytes, rows_, winograd_most_tiles);
        int64_t blocks = parts_of(tiles, most);
        a_.channel_blocks = 1;
        if (images() * blocks >= threads_)
            blocks = round_up(blocks, threads_);
        else  // few tiles: threads share the output channels, each transforming the whole input
            a_.channel_blocks =
                std::clamp<int64_t>(parts_of(threads_, at_least_one(images() * blocks)), 1, at_least_one(panels));
        a_.pixel_blocks = std::clamp<int64_t>(blocks, 1, at_least_one(tiles));
        a_.pixel_block = parts_of(tiles, a_.pixel_blocks);
    }

    void depthwise() {
        const int64_t rows = p_.output[0] * p_.output[1], outer = a_.channels_first ? images() : p_.n;
        a_.channel_blocks = 1;
        if (a_.channels_first) split_channels(a_.group_out, rows, outer);
        split_pixels(rows, 1, outer);
    }

   private:
    static constexpr int64_t element = sizeof(T);
    static int64_t at_least_one(int64_t n) { return std::max<int64_t>(n, 1); }
    int64_t images() const { return p_.n * p_.groups; }

    // Blocks of the `units` in each of `others` cells of the grid: enough that there are tasks for all threads, that none is
    // too long, and that threads finish together; no more than that takes.
    int64_t balanced_blocks(int64_t others, int64_t units) const {
        others = at_least_one(others);
        units = at_least_one(units);
        const double by_time = std::ceil(p_.operations() / operations_per_task / double(others));
        const int64_t by_threads = threads_ > 1 ? parts_of(tasks_per_thread * threads_, others) : 1;
        const int64_t least = std::min<int64_t>(std::max<int64_t>(int64_t(std::min(by_time, 1e9)), by_threads), units);
        int64_t best = least;
        if (threads_ == 1) return best;
        const auto longest = [&](int64_t blocks) {  // units that one thread does
            return double(parts_of(others * blocks, threads_)) * double(parts_of(units, blocks));
        };
        const int64_t most = std::min({units, 8 * least, least + most_block_counts});  // enormous problems plan quickly too
        for (int64_t blocks = least + 1; blocks <= most; ++blocks)
            if (longest(blocks) < 0.98 * longest(best)) best = blocks;
        return best;
    }

    // `units` of `unit` pixels (or rows) into blocks.
    void split_pixels(int64_t units, int64_t unit, int64_t outer) {
        a_.pixel_blocks = balanced_blocks(outer * a_.channel_blocks, units);
        a_.pixel_block = parts_of(units, a_.pixel_blocks) * unit;
    }

    // Where pixels alone make too few tasks, output channels are split too.
    void split_channels(int64_t tiles, int64_t pixel_units, int64_t outer) {
        const int64_t wanted = threads_ > 1 ? tasks_per_thread * threads_ : 1;
        a_.channel_blocks = std::clamp<int64_t>(parts_of(wanted, at_least_one(outer * pixel_units)), 1, at_least_one(tiles));
    }

    const Problem& p_;
    ConvArgs<T>& a_;
    const int64_t threads_, rows_, pitch_, lanes_, tile_sums_;
};

template <class T>
void block(const Problem& p, AlgorithmId id, const Kernels<T>& k, int threads, ConvArgs<T>& a) {
    Blocking<T> blocking(p, k, threads, a);
    switch (id) {
        case AlgorithmId::im2col: return blocking.im2col();
        case AlgorithmId::pointwise: return blocking.pointwise();
        case AlgorithmId::winograd2: return blocking.winograd(2);
        case AlgorithmId::winograd4: return blocking.winograd(4);
        case AlgorithmId::depthwise: return blocking.depthwise();
        default: return blocking.direct();
    }
}

// Where each product lies in the input, relative to a pixel's first tap.
template <class T>
std::vector<int64_t> direct_offsets(const ConvArgs<T>& a, const ProductOrder& order) {
    std::vector<int64_t> offsets(size_t(a.reduction));
    for (int64_t c = 0; c < a.group_in; ++c)
        for (int64_t d = 0; d < a.kernel[0]; ++d)
            for (int64_t h = 0; h < a.kernel[1]; ++h)
                for (int64_t w = 0; w < a.kernel[2]; ++w)
                    offsets[size_t(c * order.channel + d * order.tap[0] + h * order.tap[1] + w * order.tap[2])] =
                        c * a.in.c_stride + d * a.dilation[0] * a.in.stride[0] + h * a.dilation[1] * a.in.stride[1] +
                        w * a.dilation[2] * a.in.stride[2];
    return offsets;
}

template <class T>
WeightSource<T> weight_source(const WeightView& w, const std::vector<int64_t>& products) {
    return {static_cast<const T*>(w.data), w.oc_stride, w.channels_first ? 1 : w.ic_stride, products.data()};
}

template <class T>
std::string describe_tile(const Problem& p, AlgorithmId id, const KernelTable& isa, bool pixel_lanes) {
    const Kernels<T>& k = kernels_of<T>(isa);
    const bool first = p.layout == Layout::channels_first;
    const int64_t vectors = std::clamp<int64_t>(parts_of(p.oc / p.groups, k.lanes), 1, k.tile_vectors);
    const int64_t width = vectors * k.lanes, rows = k.rows[vectors];
    switch (id) {
        case AlgorithmId::winograd2:
        case AlgorithmId::winograd4: return tile_text(rows, "tiles", width, "channels");
        case AlgorithmId::depthwise: return tile_text(1, "row", 4 * k.lanes, first ? "pixels" : "channels");
        default:
            if (pixel_lanes) return tile_text(k.tile_rows, "channels", k.tile_vectors * k.lanes, "pixels");
            return tile_text(rows, "pixels", width, "channels");
    }
}

}  // namespace

ConvPlan::ConvPlan(const Problem& p, AlgorithmId id, const KernelTable& isa, int threads, bool finite)
    : problem_(p), format_{id, &isa, false, product_order(p, id, isa)}, threads_(threads) {
    const auto plan = [&]<class T>(ConvArgs<T>& a) {
        const Kernels<T>& k = kernels_of<T>(isa);
        a = arguments<T>(p);
        const bool takes_rows = id == AlgorithmId::direct || id == AlgorithmId::pointwise;
        if (takes_rows && algorithm_of(AlgorithmId::pointwise).unsupported(p).empty()) {
            flatten(a.in);
            flatten(a.out);
        }
        a.pixel_lanes = pixels_in_lanes(p, id, isa);
        if (id == AlgorithmId::direct) a.pixel_lanes &= finite || !spoiled_by_weights(p, id, a.pixel_lanes);
        a.weight_tiles = format_.tiles = a.pixel_lanes && id != AlgorithmId::direct;
        a.images = id == AlgorithmId::im2col ? 1 : p.n;  // its pixels run through all images
        summary_.threads = worthwhile_threads(p.operations(), threads);
        block(p, id, k, summary_.threads, a);
        a.column_step = format_.order.tap[2] == 1 ? a.kernel[2] : 1;
        if (id == AlgorithmId::direct) offsets_ = direct_offsets(a, format_.order);
        if (dense()) products_ = product_numbers(p, format_.order);

        const int64_t groups =
            id == AlgorithmId::depthwise && !a.channels_first ? 1 : p.groups;  // its lanes run through them
        if (p.n > 0 && p.output_pixels() > 0 && p.oc > 0)
            summary_.tasks = a.images * groups * a.channel_blocks * a.pixel_blocks;
        if (summary_.tasks > 0) summary_.workspace_bytes = kernel_of(k, id).workspace(a);
        summary_.threads = int(std::clamp<int64_t>(summary_.tasks, 1, summary_.threads));
        summary_.tile = describe_tile<T>(p, id, isa, a.pixel_lanes);
        summary_.blocking = {{"channel_blocks", a.channel_blocks},
                             {"pixel_blocks", a.pixel_blocks},
                             {"pixel_block", a.pixel_block},
                             {"reduction", a.reduction},
                             {"reduction_block", a.reduction_block}};
    };
    if (p.dtype == DType::f32)
        plan(args_.emplace<ConvArgs<float>>());
    else
        plan(args_.emplace<ConvArgs<double>>());
}

bool ConvPlan::dense() const {
    const AlgorithmId id = format_.algorithm;
    return id == AlgorithmId::direct || id == AlgorithmId::im2col || id == AlgorithmId::pointwise;
}

int64_t ConvPlan::packed_weight_bytes() const {
    if (!dense()) return pack_size(problem_, format_.algorithm, *format_.isa);
    return std::visit(
        [&]<class T>(const ConvArgs<T>& a) {
            return round_up(kernels_of<T>(*format_.isa).pack.size(a) * int64_t(sizeof(T)), alignment);
        },
        args_);
}

std::shared_ptr<const PackedWeights> ConvPlan::pack(const WeightView& weights) const {
    if (!dense())
        return std::make_shared<const PackedWeights>(
            PackedWeights{format_, fastconv::pack(problem_, format_.algorithm, *format_.isa, weights)});
    return std::visit(
        [&]<class T>(const ConvArgs<T>& a) {
            const PackKernel<T>& kernel = kernels_of<T>(*format_.isa).pack;
            Buffer buffer(packed_weight_bytes());
            const WeightSource<T> source = weight_source<T>(weights, products_);
            for (int64_t g = 0; g < a.groups; ++g) kernel.group(a, source, g, static_cast<T*>(buffer.data()));
            return std::make_shared<const PackedWeights>(PackedWeights{format_, std::move(buffer)});
        },
        args_);
}

template <class T>
ConvArgs<T> ConvPlan::arguments_of(const ConvArgs<T>& planned, const void* x, const void* bias, void* y) const {
    ConvArgs<T> a = planned;
    a.x = static_cast<const T*>(x);
    a.y = static_cast<T*>(y);
    a.epilogue.bias = static_cast<const T*>(bias);
    a.offsets = offsets_.data();
    return a;
}

void ConvPlan::run(const void* x, const PackedWeights& weights, const void* bias, void* y) const {
    if (summary_.tasks == 0) return;
    std::visit(
        [&]<class T>(const ConvArgs<T>& planned) {
            ConvArgs<T> a = arguments_of(planned, x, bias, y);
            a.weights = static_cast<const T*>(weights.data.data());
            const auto kernel = kernel_of(kernels_of<T>(*format_.isa), format_.algorithm).run;
            run_tasks(summary_, 0, [&](int64_t task, char* workspace, char*) { kernel(a, task, workspace); });
        },
        args_);
}

void ConvPlan::run(const void* x, const WeightView& weights, const void* bias, void* y) const {
    if (summary_.tasks == 0) return;
    std::visit(
        [&]<class T>(const ConvArgs<T>& planned) {
            const Kernels<T>& k = kernels_of<T>(*format_.isa);
            if (spoiled_by_weights(problem_, format_.algorithm, planned.pixel_lanes) &&
                !all_finite(problem_, *format_.isa, weights))
                return ConvPlan(problem_, AlgorithmId::direct, *format_.isa, threads_, false).run(x, weights, bias, y);
            if (!dense()) return run(x, *pack(weights), bias, y);

            const ConvArgs<T> a = arguments_of(planned, x, bias, y);
            const auto kernel = kernel_of(k, format_.algorithm).run;
            const WeightSource<T> source = weight_source<T>(weights, products_);
            // One thread's tasks follow each other, so that it packs each block of channels once.
            const int64_t packed = alignment + k.pack.task_size(a) * int64_t(sizeof(T));
            run_tasks(summary_, packed, [&](int64_t task, char* workspace, char* own) {
                ConvArgs<T> mine = a;
                k.pack.task(mine, source, task, reinterpret_cast<T*>(own + alignment), *reinterpret_cast<int64_t*>(own));
                kernel(mine, task, workspace);
            });
        },
        args_);
}

}  // namespace fastconv
