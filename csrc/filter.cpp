#include "filter.hpp"

#include <algorithm>
#include <numeric>

namespace fastconv {
namespace {

int64_t product(const Shape& s, size_t begin, size_t end) {
    return std::accumulate(s.begin() + int64_t(begin), s.begin() + int64_t(end), int64_t(1), std::multiplies<>());
}

int64_t bytes_of(ElementType t) {
    switch (t) {
        case ElementType::i8:
        case ElementType::u8: return 1;
        case ElementType::i16:
        case ElementType::u16: return 2;
        case ElementType::f32:
        case ElementType::i32:
        case ElementType::u32: return 4;
        default: return 8;
    }
}

// Bytes of the rows that a task works on, which stay in the second-level cache. Strips that stay in the first are slower,
// since the processor fetches ahead along rows: 3x3 maximum of 2048x2048 1.9 ms so, 2.6 with 64 KiB (AMD EPYC Zen 5,
// November 2026).
constexpr int64_t lines_bytes = 512 << 10;
constexpr int64_t shortest_strip = 512;        // elements
constexpr int64_t enough_columns = 32;         // for vectors along them
constexpr double operations_per_element = 16;  // of reading and writing, in the time that it takes

}  // namespace

// One pass over an array as planes, rows, pixels and channels.
class FilterPass {
   public:
    // One axis of the pass: extents of input and output, and the window along it.
    struct Axis {
        int64_t input = 1, output = 1;
        FilterWindow window;
        std::vector<int64_t> table() const {
            return boundary_table(window.boundary, input, -window.before, output + window.taps - 1);
        }
    };
    struct Geometry {
        std::vector<int64_t> plane_of;
        int64_t planes = 1, plane_taps = 1;
        Axis rows, pixels;
        int64_t channels = 1;
        FilterOp op;
        bool box, two_stages;  // windows without weights; one along the rows' axis, then one along the pixels'
        const FilterWeights *weights, *second;
        ElementType from, to;
        double outside;
    };

    FilterPass(Geometry g, const KernelTable& isa, int threads) : isa_(&isa), plane_of_(std::move(g.plane_of)) {
        row_of_ = g.rows.table();
        pixel_of_ = g.pixels.table();
        // Minima and maxima of 64-bit integers have no place in a double.
        const bool whole = g.op == FilterOp::weighted ? std::holds_alternative<std::vector<int64_t>>(*g.weights)
                                                      : g.from == ElementType::i64 && g.to == ElementType::i64;
        if (whole)
            plan(args_.emplace<FilterArgs<int64_t>>(), g, threads);
        else if (g.from == ElementType::f32 && g.to == ElementType::f32)
            plan(args_.emplace<FilterArgs<float>>(), g, threads);
        else
            plan(args_.emplace<FilterArgs<double>>(), g, threads);
    }
    FilterPass(const FilterPass&) = delete;  // its arguments point into its tables
    FilterPass& operator=(const FilterPass&) = delete;

    double operations() const { return operations_; }

    void run(const void* x, void* y) const {
        if (summary_.tasks == 0) return;
        std::visit(
            [&]<class T>(const FilterArgs<T>& planned) {
                FilterArgs<T> a = planned;
                a.x = x;
                a.y = y;
                const FilterKernel<T>& kernels = kernels_of<T>(*isa_->filters);
                const auto kernel = box_ ? kernels.run_box : kernels.run;
                run_tasks(summary_, 0, [&](int64_t task, char* workspace, char*) { kernel(a, task, workspace); });
            },
            args_);
    }

   private:
    template <class T>
    void plan(FilterArgs<T>& a, const Geometry& g, int threads) {
        const FilterKernel<T>& kernel = kernels_of<T>(*isa_->filters);
        a.from_bytes = bytes_of(g.from);
        a.to_bytes = bytes_of(g.to);
        a.planes = g.planes;
        a.rows = g.rows.output;
        a.pixels = g.pixels.output;
        a.rows_in = g.rows.input;
        a.pixels_in = g.pixels.input;
        a.channels = g.channels;
        a.plane_of = plane_of_.data();
        a.row_of = row_of_.data();
        a.pixel_of = pixel_of_.data();
        a.before = g.pixels.window.before;
        a.op = g.op;
        a.two_stages = g.two_stages;
        box_ = g.box;
        const int64_t height = g.rows.window.taps, width = g.pixels.window.taps;
        const int64_t first_width = a.two_stages ? 1 : width;
        a.first = {g.plane_taps, height, first_width, nullptr};
        a.second = {1, 1, width, nullptr};
        if (!box_) {
            a.first.weights = pack<T>(0, *g.weights, g.plane_taps, height, first_width);
            if (a.two_stages) a.second.weights = pack<T>(1, *g.second, 1, 1, width);
        }
        if constexpr (std::is_integral_v<T>)  // whose bounds are powers of two, as doubles
            a.outside = g.outside >= 0x1p63 ? INT64_MAX : g.outside >= -0x1p63 ? T(g.outside) : INT64_MIN;
        else
            a.outside = T(g.outside);
        a.load = kernel.load[int(g.from)];
        a.store = kernel.store[int(g.to)];
        const auto is_computed = [](ElementType t) {
            return t == (std::is_same_v<T, float>    ? ElementType::f32
                         : std::is_same_v<T, double> ? ElementType::f64
                                                     : ElementType::i64);
        };
        a.stored_as_is = is_computed(g.to);
        a.in_place = is_computed(g.from) && a.before < width && int64_t(pixel_of_.size()) - a.before - a.pixels_in < width;

        const int64_t elements = a.planes * a.rows * a.pixels * a.channels;
        const int64_t taps = box_ ? 8 : a.two_stages ? height + width : g.plane_taps * height * width;
        operations_ = (2.0 * double(taps) + operations_per_element) * double(elements);
        summary_.threads = worthwhile_threads(operations_, threads);
        divide(a, elements);
        if (summary_.tasks > 0) summary_.workspace_bytes = (box_ ? kernel.box_workspace : kernel.workspace)(a);
        summary_.threads = int(std::clamp<int64_t>(summary_.threads, 1, std::max<int64_t>(summary_.tasks, 1)));
    }

    // Strips of columns whose lines stay in the cache, blocks of rows many times as high as what neighbours both read.
    template <class T>
    void divide(FilterArgs<T>& a, int64_t elements) {
        const int64_t reach = a.pixels_in > 0 ? int64_t(pixel_of_.size()) - a.pixels : 0;
        // Boxes keep one line for each eight of their rows, and reread those around them.
        const int64_t lines = box_ ? 2 * (a.first.height / 8 + 20) : (a.first.planes + 1) * (a.first.height + 4);
        const int64_t longest = std::max({lines_bytes / int64_t(sizeof(T)) / lines, shortest_strip, 2 * reach * a.channels});
        const int64_t wanted = summary_.threads > 1 ? tasks_per_thread * summary_.threads : 1;
        const int64_t columns = a.pixels * a.channels;
        a.strips = std::max<int64_t>(parts_of(columns, longest), 1);
        const int64_t blocks = parts_of(wanted, std::max<int64_t>(a.planes * a.strips, 1));
        a.row_blocks = std::clamp<int64_t>(a.rows / (4 * a.first.height), 1, blocks);
        if (a.planes * a.strips * a.row_blocks < wanted)  // short rows of one long array
            a.strips = std::clamp<int64_t>(parts_of(wanted, std::max<int64_t>(a.planes * a.row_blocks, 1)), a.strips,
                                           std::max<int64_t>(columns / (2 * shortest_strip), a.strips));
        a.strips = std::min(a.strips, std::max<int64_t>(a.pixels, 1));
        a.strip_pixels = parts_of(a.pixels, a.strips);
        summary_.tasks = elements > 0 ? a.planes * a.strips * a.row_blocks : 0;
    }

    // Weights as the stage wants them, columns before rows.
    template <class T>
    const T* pack(size_t stage, const FilterWeights& weights, int64_t planes, int64_t height, int64_t width) {
        weights_[stage] = Buffer(planes * height * width * int64_t(sizeof(T)));
        T* to = static_cast<T*>(weights_[stage].data());
        std::visit(
            [&](const auto& from) {
                for (int64_t d = 0; d < planes; ++d)
                    for (int64_t h = 0; h < height; ++h)
                        for (int64_t w = 0; w < width; ++w)
                            to[(d * width + w) * height + h] = T(from[size_t((d * height + h) * width + w)]);
            },
            weights);
        return to;
    }

    const KernelTable* isa_;
    std::vector<int64_t> plane_of_, row_of_, pixel_of_;
    Buffer weights_[2];
    std::variant<FilterArgs<float>, FilterArgs<double>, FilterArgs<int64_t>> args_;
    PlanSummary summary_;
    bool box_;
    double operations_ = 0;
};

FilterPlan::FilterPlan(const FilterArrays& arrays, FilterOp op, const std::vector<FilterWindow>& windows,
                       const FilterWeights& weights, const KernelTable& isa, int threads) {
    const Shape &in = arrays.input, &out = arrays.output;
    // The last axis with a window is that of the pixels, the one before it that of the rows; what follows are channels.
    const auto idle = [&](size_t i) { return windows[i].taps == 1 && windows[i].before == 0 && in[i] == out[i]; };
    size_t end = windows.size();
    while (end > 1 && idle(end - 1)) --end;
    const auto axis = [&](size_t i) { return FilterPass::Axis{in[i], out[i], windows[i]}; };
    FilterPass::Geometry g{};
    g.from = arrays.from;
    g.to = arrays.to;
    g.outside = arrays.outside;
    g.op = op;
    g.weights = &weights;
    g.channels = product(in, end, in.size());
    // Along a single axis with much behind it, that is the rows' axis, and what is behind it are pixels without a window.
    size_t alone = 0;
    while (alone < end && idle(alone)) ++alone;
    const bool upright = end > 0 && alone + 1 == end && g.channels >= enough_columns;
    if (upright) {
        g.rows = axis(end - 1);
        g.pixels = {g.channels, g.channels, {}};
        g.channels = 1;
    } else {
        if (end > 0) g.pixels = axis(end - 1);
        if (end > 1) g.rows = axis(end - 2);
    }
    const size_t planes_end = end - std::min<size_t>(end, upright ? 1 : 2);
    g.plane_of = {0};
    for (size_t i = 0; i < planes_end; ++i) {
        // plane_of[plane][tap] of the axes so far and this one, the last axis the fastest
        const FilterPass::Axis now = axis(i);
        const std::vector<int64_t> here = now.table();
        const int64_t taps = now.window.taps;
        std::vector<int64_t> both;
        for (int64_t plane = 0; plane < g.planes; ++plane)
            for (int64_t o = 0; o < now.output; ++o)
                for (int64_t d = 0; d < g.plane_taps; ++d)
                    for (int64_t t = 0; t < taps; ++t) {
                        const int64_t outer = g.plane_of[size_t(plane * g.plane_taps + d)], inner = here[size_t(o + t)];
                        both.push_back(outer < 0 || inner < 0 ? -1 : outer * now.input + inner);
                    }
        g.plane_of = std::move(both);
        g.planes *= now.output;
        g.plane_taps *= taps;
    }
    add(std::make_unique<FilterPass>(std::move(g), isa, threads));
}

FilterPlan::FilterPlan(const FilterArrays& arrays, FilterOp op, const std::vector<AxisFilter>& filters,
                       const KernelTable& isa, int threads)
    : between_bytes_(product(arrays.output, 0, arrays.output.size()) * int64_t(sizeof(double))) {
    const Shape& shape = arrays.input;
    // What lies between passes is rounded to the type in which they compute.
    const bool same = arrays.from == arrays.to && (arrays.from == ElementType::f32 || arrays.from == ElementType::i64);
    const bool exact = arrays.from == ElementType::f32 || op == FilterOp::minimum || op == FilterOp::maximum;
    const ElementType computed = same && exact ? arrays.from : ElementType::f64;
    const auto geometry = [&](size_t planes_end) {
        FilterPass::Geometry g{};
        g.from = passes_.empty() ? arrays.from : computed;
        g.outside = arrays.outside;
        g.op = op;
        g.box = op != FilterOp::weighted;
        g.two_stages = g.box;  // of boxes, one of the two may be a single tap
        g.planes = product(shape, 0, planes_end);
        g.plane_of.resize(size_t(g.planes));
        std::iota(g.plane_of.begin(), g.plane_of.end(), 0);
        return g;
    };
    const auto axis = [&](size_t i, const FilterWindow& w) { return FilterPass::Axis{shape[i], shape[i], w}; };
    // Two neighbouring axes are filtered in one pass: from the end, so that the rows of the last two are.
    size_t i = 0;
    while (i < filters.size()) {
        const AxisFilter& f = filters[i];
        const bool followed = i + 1 < filters.size() && filters[i + 1].axis == f.axis + 1;
        const bool evenly = (filters.size() - i) % 2 == 0;
        FilterPass::Geometry g;
        if (followed && evenly) {
            g = geometry(f.axis);
            g.rows = axis(f.axis, f.window);
            g.pixels = axis(f.axis + 1, filters[i + 1].window);
            g.channels = product(shape, f.axis + 2, shape.size());
            g.two_stages = true;
            g.second = &filters[++i].weights;
        } else if (const int64_t inner = product(shape, f.axis + 1, shape.size()); inner >= enough_columns) {
            g = geometry(f.axis);
            g.rows = axis(f.axis, f.window);
            g.pixels = {inner, inner, {}};
        } else {
            g = geometry(0);
            g.rows.input = g.rows.output = product(shape, 0, f.axis);
            g.pixels = axis(f.axis, f.window);
            g.channels = inner;
        }
        g.weights = &f.weights;
        g.to = ++i == filters.size() ? arrays.to : computed;
        add(std::make_unique<FilterPass>(std::move(g), isa, threads));
    }
}

FilterPlan::~FilterPlan() = default;

void FilterPlan::add(std::unique_ptr<FilterPass> pass) {
    operations_ += pass->operations();
    passes_.push_back(std::move(pass));
}

void FilterPlan::run(const void* x, void* y) const {
    const Buffer between[2] = {Buffer(passes_.size() > 1 ? between_bytes_ : 0),
                               Buffer(passes_.size() > 2 ? between_bytes_ : 0)};
    const void* from = x;
    for (size_t i = 0; i < passes_.size(); ++i) {
        void* to = i + 1 == passes_.size() ? y : between[i % 2].data();
        passes_[i]->run(from, to);
        from = to;
    }
}

}  // namespace fastconv
