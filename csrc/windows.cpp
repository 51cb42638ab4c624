#include "windows.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "phases.hpp"

namespace fastconv {
namespace {

constexpr int64_t elements_per_task = 1 << 16;
constexpr double bytes_per_task = 64 << 20;  // at most, so that a call can be interrupted
constexpr double bytes_per_power = 100;      // a power takes as long as so many bytes

Plane plane_of(const Problem& p, const Axes& size) {
    return {{size[0], size[1], size[2]}, p.layout == Layout::channels_first ? 1 : p.ic};
}
int64_t planes_of(const Problem& p) { return p.layout == Layout::channels_first ? p.n * p.ic : p.n; }

// How `planes`, each of so many rows, are divided into tasks.
struct Division {
    PlanSummary summary;
    int64_t blocks;  // of rows

    Division(int64_t planes, int64_t rows, double bytes, int available = get_num_threads()) {
        planes = std::max<int64_t>(planes, 1);
        summary.threads = worthwhile_threads(bytes, available);
        const int64_t wanted = summary.threads > 1 ? tasks_per_thread * summary.threads : 1;
        const int64_t by_size = int64_t(std::min(bytes / bytes_per_task, 1e9));
        blocks = std::clamp<int64_t>(parts_of(std::max(wanted, by_size), planes), 1, std::max<int64_t>(rows, 1));
        summary.tasks = planes * blocks;
    }
};

// The outputs whose windows cover each position of an axis.
struct Covering {
    std::vector<int64_t> first, count;

    Covering(const PoolTable& t, int64_t size) {
        const auto outputs = t.first.size();
        size_t begin = 0, end = 0;  // neither ever goes back
        for (int64_t i = 0; i < size; ++i) {
            while (end < outputs && t.first[end] <= i) ++end;
            while (begin < end && t.first[begin] + t.taps[begin] <= i) ++begin;
            first.push_back(int64_t(begin));
            count.push_back(int64_t(end - begin));
        }
    }
};

}  // namespace

void run_average_gradient(const Problem& p, const std::array<PoolTable, 3>& windows, const void* from, void* to) {
    const int64_t elements = p.n * p.ic * p.input_pixels();
    if (elements == 0) return;
    if (p.output_pixels() == 0) {
        std::memset(to, 0, size_t(elements * p.computed_size()));
        return;
    }
    const std::array<Covering, 3> covering{Covering(windows[0], p.input[0]), Covering(windows[1], p.input[1]),
                                           Covering(windows[2], p.input[2])};
    with_type(p.dtype, [&]<class T>(T) {
        AverageGradientArgs<T> a{};
        a.from = static_cast<const T*>(from);
        a.to = static_cast<T*>(to);
        a.outputs = plane_of(p, p.output);
        a.inputs = plane_of(p, p.input);
        for (size_t i = 0; i < 3; ++i) {
            const PoolTable& t = windows[i];
            a.axis[i] = {t.first.data(), t.taps.data(), t.divisor.data(), t.dilation, t.stride, t.before, t.window};
            a.covered_by[i] = {covering[i].first.data(), covering[i].count.data()};
        }
        a.fixed_divisor = p.divisor_override;
        Division division(planes_of(p), a.inputs.rows(), p.computed_bytes());
        a.row_blocks = division.blocks;
        const WindowKernels<T>& k = kernels_of<T>(*current_isa().windows);
        division.summary.workspace_bytes = k.average_gradient_workspace(a);
        run_tasks(division.summary, 0,
                  [&](int64_t task, char* workspace, char*) { k.average_gradient(a, task, workspace); });
    });
}

namespace {

// The least of what tasks report.
class First {
   public:
    explicit First(int64_t none) : found_(none) {}
    void report(int64_t at) {
        int64_t before = found_.load();
        while (at < before && !found_.compare_exchange_weak(before, at)) {
        }
    }
    int64_t value() const { return found_; }

   private:
    std::atomic<int64_t> found_;
};

}  // namespace

int64_t find_outside(const IndexedPlanes& p, int64_t low, const int64_t* indices) {
    const int64_t count = p.planes * p.indexed * p.inner;
    const auto kernel = current_isa().windows->first_outside;
    First first(count);
    parallel_for(parts_of(count, elements_per_task), worthwhile_threads(8 * double(count), get_num_threads()),
                 [&](int64_t task, int) {
                     const int64_t begin = task * elements_per_task, length = std::min(elements_per_task, count - begin);
                     const int64_t at = kernel(indices + begin, length, low, p.pixels);
                     if (at < length) first.report(begin + at);
                 });
    return first.value();
}

int64_t run_indexed(IndexedMove move, const IndexedPlanes& p, int64_t low, const void* from, const int64_t* indices,
                    void* to) {
    const int64_t plane_indices = p.indexed * p.inner, count = p.planes * plane_indices;
    const auto outside = current_isa().windows->first_outside;
    First first(count);
    if (p.planes * p.inner == 0) return first.value();
    with_type(p.dtype, [&]<class T>(T) {
        const WindowKernels<T>& k = kernels_of<T>(*current_isa().windows);
        const bool gathers = move == IndexedMove::gather;
        const double elements = double(p.planes) * double(p.inner) * double(p.indexed + p.pixels);
        constexpr int64_t cache_line = alignment / int64_t(sizeof(T));
        const Division division(p.planes, gathers ? p.indexed : parts_of(p.inner, cache_line), elements * (sizeof(T) + 4));
        const IndexedArgs<T> a{
            static_cast<const T*>(from), indices, static_cast<T*>(to), p.indexed, p.pixels, p.inner, division.blocks};
        const auto kernel = gathers ? k.gather : move == IndexedMove::scatter ? k.scatter : k.scatter_add;
        // A task that has a plane for itself looks at its indices, which it then has in the cache.
        const bool alone = division.blocks == 1;
        if (!alone) first.report(find_outside(p, low, indices));
        if (first.value() < count) return;
        parallel_for(division.summary.tasks, division.summary.threads, [&](int64_t task, int) {
            const int64_t begin = task * plane_indices;
            const int64_t at = alone ? outside(indices + begin, plane_indices, low, p.pixels) : plane_indices;
            if (at < plane_indices)
                first.report(begin + at);
            else
                kernel(a, task);
        });
    });
    return first.value();
}

namespace {

template <class T>
ColumnArgs<T> column_arguments(const Problem& p, const void* from, void* to) {
    ColumnArgs<T> a{};
    a.from = static_cast<const T*>(from);
    a.to = static_cast<T*>(to);
    a.image = plane_of(p, p.input);
    a.channels_first = p.layout == Layout::channels_first;
    for (size_t i = 0; i < 3; ++i) {
        a.windows[i] = p.output[i];
        a.kernel[i] = p.kernel[i];
        a.step[i] = p.stride[i];
        a.dilation[i] = p.dilation[i];
        a.before[i] = p.before[i];
    }
    return a;
}

double column_bytes(const Problem& p) {
    return double(p.computed_size()) * double(p.n) * double(p.ic) *
           (double(p.taps()) * double(p.output_pixels()) + double(p.input_pixels()));
}

}  // namespace

void run_unfold(const Problem& p, const void* image, void* columns) {
    if (p.n * p.ic == 0) return;
    with_type(p.dtype, [&]<class T>(T) {
        ColumnArgs<T> a = column_arguments<T>(p, image, columns);
        Division division(planes_of(p), a.channels_first ? 1 : a.window_rows(), column_bytes(p));
        a.row_blocks = division.blocks;
        if (a.channels_first) division.summary.tasks *= a.taps();
        const auto kernel = kernels_of<T>(*current_isa().windows).unfold;
        parallel_for(division.summary.tasks, division.summary.threads, [&](int64_t task, int) { kernel(a, task); });
    });
}

void run_fold(const Problem& p, const void* columns, void* image) {
    if (p.n * p.ic == 0) return;
    with_type(p.dtype, [&]<class T>(T) {
        ColumnArgs<T> a = column_arguments<T>(p, columns, image);
        const Division division(planes_of(p), a.image.rows(), column_bytes(p));
        a.row_blocks = division.blocks;
        const auto kernel = kernels_of<T>(*current_isa().windows).fold;
        parallel_for(division.summary.tasks, division.summary.threads, [&](int64_t task, int) { kernel(a, task); });
    });
}

void run_power(PowerOp op, DType dtype, const void* x, void* y, int64_t count, double exponent) {
    with_type(dtype, [&]<class T>(T) {
        const WindowKernels<T>& k = kernels_of<T>(*current_isa().windows);
        const auto kernel = op == PowerOp::power ? k.power : op == PowerOp::divide ? k.divide_by_power : k.multiply_by_power;
        const int threads = worthwhile_threads(bytes_per_power * double(count), get_num_threads());
        parallel_for(parts_of(count, elements_per_task), threads, [&](int64_t task, int) {
            const int64_t begin = task * elements_per_task;
            kernel(static_cast<const T*>(x) + begin, static_cast<T*>(y) + begin, std::min(elements_per_task, count - begin),
                   exponent);
        });
    });
}

// ---- borders ----

Border::Border(const Problem& p, const KernelTable& isa, int threads, bool sorted)
    : isa_(&isa),
      threads_(threads),
      dtype_(p.dtype),
      planes_(p.layout == Layout::channels_first ? p.ic : 1),
      plane_(plane_of(p, p.input)),
      before_(p.before[2]) {
    for (size_t i = 0; i < 3; ++i) {
        std::vector<int64_t> places;
        if (sorted)
            places = Phases(p, i).places();
        else
            for (int64_t j = 0; j < p.before[i] + p.input[i] + p.after[i]; ++j) places.push_back(j);
        padded_[i] = int64_t(places.size());
        for (const int64_t place : places) shown_[i].push_back(element_shown(p.boundary, p.input[i], place - p.before[i]));
    }
    padded_plane_ = plane_of(p, padded_);
    find_runs(sorted ? p.stride[2] : 1);
}

namespace {

// The padded positions of an axis in the order of what they show.
struct Showing {
    std::vector<int64_t> first, count, positions;

    Showing(int64_t size, const std::vector<int64_t>& shown) : first(size_t(size) + 1, 0), count(size_t(size), 0) {
        for (const int64_t at : shown)
            if (at >= 0) ++first[size_t(at) + 1];
        for (size_t at = 1; at < first.size(); ++at) first[at] += first[at - 1];
        positions.resize(size_t(first.back()));
        for (size_t j = 0; j < shown.size(); ++j)
            if (const int64_t at = shown[j]; at >= 0)
                positions[size_t(first[size_t(at)] + count[size_t(at)]++)] = int64_t(j);
    }
};

}  // namespace

// Notes the columns that show neighbours, or columns a step apart where phases are sorted.
void Border::find_runs(int64_t step) {
    step_ = step;
    const std::vector<int64_t>& shown = shown_[2];
    for (size_t begin = 0, end; begin < shown.size(); begin = end) {
        for (end = begin + 1; end < shown.size() && shown[begin] >= 0 && shown[end] == shown[end - 1] + step;) ++end;
        if (end - begin > 1) runs_.push_back({int64_t(begin), shown[begin], int64_t(end - begin)});
    }
}

template <class T>
BorderArgs<T> Border::arguments(const void* from, void* to) const {
    BorderArgs<T> a{};
    a.from = static_cast<const T*>(from);
    a.to = static_cast<T*>(to);
    a.plane = plane_;
    a.padded = padded_plane_;
    a.before = before_;
    a.runs = runs_.data();
    a.run_count = int64_t(runs_.size());
    a.step = step_;
    for (size_t i = 0; i < 3; ++i) a.shown[i] = shown_[i].data();
    return a;
}

void Border::pad(int64_t images, const void* from, void* to) const {
    const int64_t planes = images * planes_;
    if (planes * padded_plane_.elements() == 0) return;
    with_type(dtype_, [&]<class T>(T) {
        BorderArgs<T> a = arguments<T>(from, to);
        const double elements = double(planes) * double(plane_.elements() + padded_plane_.elements());
        const Division division(planes, a.padded.rows(), elements * sizeof(T), threads_);
        a.row_blocks = division.blocks;
        const auto kernel = kernels_of<T>(*isa_->windows).pad;
        parallel_for(division.summary.tasks, division.summary.threads, [&](int64_t task, int) { kernel(a, task); });
    });
}

void Border::add_back(int64_t images, const void* from, void* to) const {
    const int64_t planes = images * planes_;
    if (planes * plane_.elements() == 0) return;
    const Showing showing[3] = {{plane_.size[0], shown_[0]}, {plane_.size[1], shown_[1]}, {plane_.size[2], shown_[2]}};
    with_type(dtype_, [&]<class T>(T) {
        BorderArgs<T> a = arguments<T>(from, to);
        for (size_t i = 0; i < 3; ++i) {
            a.showing[i] = {showing[i].first.data(), showing[i].count.data()};
            a.positions[i] = showing[i].positions.data();
        }
        const double elements = double(planes) * double(plane_.elements() + padded_plane_.elements());
        Division division(planes, a.plane.rows(), elements * sizeof(T), threads_);
        a.row_blocks = division.blocks;
        const WindowKernels<T>& k = kernels_of<T>(*isa_->windows);
        division.summary.workspace_bytes = k.pad_gradient_workspace(a);
        run_tasks(division.summary, 0, [&](int64_t task, char* workspace, char*) { k.pad_gradient(a, task, workspace); });
    });
}

}  // namespace fastconv
