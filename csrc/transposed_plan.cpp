#include "transposed_plan.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "select.hpp"

namespace fastconv {
namespace {

constexpr int64_t interleaved_per_task = 1 << 15;

// Axes as numbers of one scale: the last fastest.
int64_t flat(const Axes& sizes, int64_t d, int64_t h, int64_t w) { return (d * sizes[1] + h) * sizes[2] + w; }

// A box of an image of (pixels, channels) or (channels, pixels): y without what no position reads.
template <class T>
void crop(const Problem& p, const T* y, const Axes& first, const Axes& size, T* to) {
    const bool channels_first = p.layout == Layout::channels_first;
    const int64_t planes = p.n * (channels_first ? p.oc : 1), run = channels_first ? 1 : p.oc;
    for (int64_t plane = 0; plane < planes; ++plane)
        for (int64_t d = 0; d < size[0]; ++d)
            for (int64_t h = 0; h < size[1]; ++h, to += size[2] * run)
                std::memcpy(to, y + (plane * p.output_pixels() + flat(p.output, first[0] + d, first[1] + h, first[2])) * run,
                            size_t(size[2] * run) * sizeof(T));
}

}  // namespace

// Position i = first + j * stride reads y[(i + before - k * dilation) / stride] at those taps k where that is whole. From
// one such tap to the next the index falls by dilation / gcd(stride, dilation).
TransposedPlan::AxisPhase TransposedPlan::axis_phase(int axis, int64_t first) const {
    const Problem& p = problem_;
    const size_t i = size_t(axis);
    const int64_t s = p.stride[i], d = p.dilation[i], place = first + p.before[i];
    AxisPhase a{first, parts_of(p.input[i] - first, s), 0, 0, 0, 0, 0};
    while (a.tap < std::min(p.kernel[i], tap_step_[i]) && (place - a.tap * d) % s != 0) ++a.tap;
    if (a.tap == std::min(p.kernel[i], tap_step_[i])) return a;
    a.taps = parts_of(p.kernel[i] - a.tap, tap_step_[i]);
    const int64_t extent = (a.taps - 1) * dilation_[i] + 1;
    const int64_t nearest = (place - a.tap * d) / s - (extent - 1);  // what the first position reads at the last tap
    a.skipped = std::clamp<int64_t>(nearest, 0, p.output[i]);
    a.before = std::max<int64_t>(-nearest, 0);
    const int64_t end = nearest + a.count - 1 + extent;  // nor does the last position read any behind its first tap
    a.size = std::clamp<int64_t>(end, a.skipped, p.output[i]) - a.skipped;
    if (a.size == 0) a.taps = 0;
    return a;
}

// The taps of a phase in reverse, and input and output channels exchanged.
WeightStrides TransposedPlan::reversed(const AxisPhase* axis) const {
    WeightStrides w = weight_strides(problem_);
    std::swap(w.in, w.out);
    for (size_t i = 0; i < 3; ++i) {
        w.origin += (axis[i].tap + (axis[i].taps - 1) * tap_step_[i]) * w.tap[i];
        w.tap[i] *= -tap_step_[i];
    }
    return w;
}

void TransposedPlan::add_phase(const std::string& algorithm, int64_t d, int64_t h, int64_t w) {
    const Problem& p = problem_;
    Phase phase{{axis_phase(0, d), axis_phase(1, h), axis_phase(2, w)}, p, nullptr, result_elements_};
    Problem& q = phase.problem;
    q.ic = p.oc;
    q.oc = p.ic;
    q.stride = {1, 1, 1};
    q.dilation = dilation_;
    bool reached = true;
    for (size_t i = 0; i < 3; ++i) {
        const AxisPhase& a = phase.axis[i];
        reached &= a.taps > 0;
        q.output[i] = a.count;
        q.input[i] = a.size;
        q.kernel[i] = a.taps;
        q.before[i] = a.before;
        q.after[i] = a.count + (a.taps - 1) * dilation_[i] - a.size - a.before;
    }
    if (reached) {
        complete(q);
        const Choice choice = choose(q, algorithm, isa_, false);
        phase.plan = std::make_unique<const ConvPlan>(q, choice.algorithm->id, isa_, threads_, reversed(phase.axis));
        result_elements_ += q.n * q.oc * q.output_pixels();
        if (q.input != p.output) cropped_elements_ = std::max(cropped_elements_, q.n * q.ic * q.input_pixels());
    }
    phases_.push_back(std::move(phase));
}

TransposedPlan::TransposedPlan(const Problem& p, const std::string& algorithm, const KernelTable& isa, int threads)
    : problem_(p), isa_(isa), threads_(threads) {
    Axes phases;
    for (size_t i = 0; i < 3; ++i) {
        const int64_t common = std::gcd(p.stride[i], p.dilation[i]);
        tap_step_[i] = p.stride[i] / common;
        dilation_[i] = p.dilation[i] / common;
        phases[i] = std::min(p.stride[i], p.input[i]);
    }
    for (int64_t d = 0; d < phases[0]; ++d)
        for (int64_t h = 0; h < phases[1]; ++h)
            for (int64_t w = 0; w < phases[2]; ++w) add_phase(algorithm, d, h, w);
}

template <class T>
void TransposedPlan::interleave(const T* results, const T* empty, T* x) const {
    const Problem& p = problem_;
    const bool channels_first = p.layout == Layout::channels_first;
    const int64_t planes = p.n * (channels_first ? p.ic : 1), channels = channels_first ? 1 : p.ic;
    const int64_t row = p.input[2] * channels, rows = planes * p.input[0] * p.input[1];
    const int64_t block = std::max<int64_t>(interleaved_per_task / std::max<int64_t>(row, 1), 1);
    const int64_t columns = std::min(p.stride[2], p.input[2]);
    const auto kernel = gradients_of<T>(isa_).interleave;
    const int threads = worthwhile_threads(double(rows * row) * double(sizeof(T)), threads_);
    parallel_for(parts_of(rows, block), threads, [&](int64_t task, int) {
        constexpr int64_t most = 64;  // sources of a row, on the stack
        const T* from[most];
        for (int64_t r = task * block; r < std::min(rows, (task + 1) * block); ++r) {
            const int64_t h = r % p.input[1], d = r / p.input[1] % p.input[0], plane = r / p.input[1] / p.input[0];
            const Axes strides{std::min(p.stride[0], p.input[0]), std::min(p.stride[1], p.input[1]), columns};
            const Phase* phase = &phases_[size_t(flat(strides, d % p.stride[0], h % p.stride[1], 0))];
            const T* nothing = empty + (channels_first ? plane % p.ic : 0);
            const auto source = [&](int64_t w) -> const T* {
                const Phase& f = phase[w];
                if (!f.plan) return nullptr;
                const Axes& size = f.problem.output;
                return results + f.result +
                       (plane * f.problem.output_pixels() + flat(size, d / p.stride[0], h / p.stride[1], 0)) * channels;
            };
            if (columns <= most) {
                for (int64_t w = 0; w < columns; ++w) from[w] = source(w);
                kernel(from, nothing, columns, p.input[2], channels, x + r * row);
            } else {
                for (int64_t w = 0; w < p.input[2]; ++w) {
                    const T* one = source(w % columns);
                    std::copy_n(one ? one + w / columns * channels : nothing, channels, x + r * row + w * channels);
                }
            }
        }
    });
}

template <class T>
void TransposedPlan::run(const T* y, const T* weights, const T* bias, T* x) const {
    const Problem& p = problem_;
    if (p.n * p.ic * p.input_pixels() == 0) return;
    const bool interleaved = phases_.size() > 1;
    const bool empty_phases = std::any_of(phases_.begin(), phases_.end(), [](const Phase& f) { return !f.plan; });
    const Workspace results((interleaved ? result_elements_ : 0) * int64_t(sizeof(T)));
    const Buffer cropped(cropped_elements_ * int64_t(sizeof(T)));
    const Buffer empty((empty_phases ? p.ic : 0) * int64_t(sizeof(T)));
    T* nothing = static_cast<T*>(empty.data());  // what a phase is that no tap falls on: the bias
    if (empty_phases) {
        std::fill_n(nothing, p.ic, T(0));
        const MapArgs<T> map{
            bias ? bias : nothing, nothing, {nullptr, p.activation.kind, T(p.activation.low), T(p.activation.high)}};
        kernels_of<T>(isa_).map(map, 0, p.ic);
    }
    for (const Phase& phase : phases_) {
        if (!phase.plan) continue;
        const T* from = y;
        if (phase.problem.input != p.output) {
            crop(p, y, {phase.axis[0].skipped, phase.axis[1].skipped, phase.axis[2].skipped}, phase.problem.input,
                 static_cast<T*>(cropped.data()));
            from = static_cast<const T*>(cropped.data());
        }
        T* to = interleaved ? reinterpret_cast<T*>(results.data()) + phase.result : x;
        phase.plan->run(from, static_cast<const void*>(weights), bias, to);
    }
    if (interleaved || !phases_[0].plan) interleave(reinterpret_cast<const T*>(results.data()), nothing, x);
}

void TransposedPlan::run(const void* y, const void* weights, const void* bias, void* x) const {
    const auto as = [&]<class T>(T) {
        run(static_cast<const T*>(y), static_cast<const T*>(weights), static_cast<const T*>(bias), static_cast<T*>(x));
    };
    if (problem_.dtype == DType::f32)
        as(float());
    else
        as(double());
}

}  // namespace fastconv
