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
TransposedPlan::AxisPhase TransposedPlan::axis_phase(size_t i, int64_t first) const {
    const Problem& p = problem_;
    const int64_t s = p.stride[i], d = p.dilation[i], place = first + p.before[i];
    AxisPhase a{parts_of(p.input[i] - first, s), 0, 0, 0, 0, 0};
    const int64_t taps = std::min(p.kernel[i], tap_step_[i]);
    while (a.tap < taps && (place - a.tap * d) % s != 0) ++a.tap;
    if (a.tap == taps) return a;
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

void TransposedPlan::add_part(const Problem& q, const Axes& skipped, const std::string& algorithm, const WeightStrides& w) {
    const Choice choice = choose(q, algorithm, isa_, false);
    parts_.push_back(
        {q, skipped, ConvPlan(q, choice.algorithm->id, isa_, threads_, w, false, true, choice.order), result_elements_});
    result_elements_ += q.n * q.oc * q.output_pixels();
    if (q.input != problem_.output) cropped_elements_ = std::max(cropped_elements_, q.n * q.ic * q.input_pixels());
}

void TransposedPlan::add_phase(const std::string& algorithm, const AxisPhase* const (&axis)[3]) {
    const Problem& p = problem_;
    Problem q = p;
    q.ic = p.oc;
    q.oc = p.ic;
    q.stride = {1, 1, 1};
    q.dilation = dilation_;
    // The taps in reverse, and input and output channels exchanged.
    WeightStrides w = weight_strides(p);
    std::swap(w.in, w.out);
    Axes skipped{};
    for (size_t i = 0; i < 3; ++i) {
        const AxisPhase& a = *axis[i];
        q.input[i] = a.size;
        q.kernel[i] = a.taps;
        q.before[i] = a.before;
        q.after[i] = a.count + (a.taps - 1) * dilation_[i] - a.size - a.before;
        skipped[i] = a.skipped;
        w.origin += (a.tap + (a.taps - 1) * tap_step_[i]) * w.tap[i];
        w.tap[i] *= -tap_step_[i];
    }
    complete(q);
    const bool first = p.layout == Layout::channels_first;
    phases_.push_back({q.output, result_elements_, q.output_pixels() * (first ? 1 : p.ic), first ? 1 : p.ic});
    add_part(q, skipped, algorithm, w);
}

// Whether each output adds to positions of its own, so that a phase has one tap and reads all of y. Then all phases are one
// convolution with a kernel of 1, whose channels are those of x under each tap.
bool TransposedPlan::apart() const {
    const Problem& p = problem_;
    bool result = p.taps() > 1 && (p.layout == Layout::channels_first || p.groups == 1);
    for (size_t i = 0; i < 3; ++i)
        result &=
            p.stride[i] == p.kernel[i] && p.dilation[i] == 1 && p.before[i] == 0 && p.input[i] == p.output[i] * p.stride[i];
    return result;
}

void TransposedPlan::add_joined(const std::string& algorithm) {
    const Problem& p = problem_;
    const int64_t taps = p.taps();
    Problem q = p;
    q.ic = p.oc;
    q.oc = p.ic * taps;
    q.input = p.output;
    q.kernel = q.stride = {1, 1, 1};
    q.before = q.after = {};
    complete(q);
    // Channels first, the taps of a channel of x follow each other; channels last, its channels under a tap.
    const bool first = p.layout == Layout::channels_first;
    const WeightStrides w = weight_strides(p);
    const WeightStrides joined{
        .origin = 0, .group = w.group, .out = first ? w.tap[2] : w.in, .in = w.out, .tap = {0, 0, 0}, .size = w.size};
    const int64_t pixels = q.output_pixels();
    for (int64_t t = 0; t < taps; ++t)
        phases_.push_back({q.output, t * (first ? pixels : p.ic), pixels * taps * (first ? 1 : p.ic), first ? 1 : q.oc});
    repeated_bias_ = taps;
    add_part(q, {}, algorithm, joined);
}

TransposedPlan::TransposedPlan(const Problem& p, const std::string& algorithm, const KernelTable& isa, int threads)
    : problem_(p), isa_(isa), threads_(threads) {
    check_algorithm_name(algorithm);
    problem_.dtype = computed_in(p.dtype);  // phases are convolutions of what y was widened to
    for (size_t i = 0; i < 3; ++i) {
        const int64_t common = std::gcd(p.stride[i], p.dilation[i]);
        tap_step_[i] = p.stride[i] / common;
        dilation_[i] = p.dilation[i] / common;
        for (int64_t first = 0; first < std::min(p.stride[i], p.input[i]); ++first) {
            const AxisPhase a = axis_phase(i, first);
            axes_[i].number.push_back(a.taps ? int64_t(axes_[i].reached.size()) : -1);
            if (a.taps) axes_[i].reached.push_back(a);
        }
    }
    if (apart()) {
        add_joined(algorithm);
    } else {
        for (const AxisPhase& d : axes_[0].reached)
            for (const AxisPhase& h : axes_[1].reached)
                for (const AxisPhase& w : axes_[2].reached) add_phase(algorithm, {&d, &h, &w});
    }
}

// The phase to which positions of x belong, counted modulo the stride; null if no tap falls on it.
const TransposedPlan::Phase* TransposedPlan::phase_at(int64_t d, int64_t h, int64_t w) const {
    const Axes number{axes_[0].number[size_t(d)], axes_[1].number[size_t(h)], axes_[2].number[size_t(w)]};
    if (number[0] < 0 || number[1] < 0 || number[2] < 0) return nullptr;
    const Axes sizes{0, int64_t(axes_[1].reached.size()), int64_t(axes_[2].reached.size())};
    return &phases_[size_t(flat(sizes, number[0], number[1], number[2]))];
}

template <class T>
void TransposedPlan::interleave(const T* results, const T* empty, T* x) const {
    const Problem& p = problem_;
    const bool channels_first = p.layout == Layout::channels_first;
    const int64_t planes = p.n * (channels_first ? p.ic : 1), channels = channels_first ? 1 : p.ic;
    const int64_t row = p.input[2] * channels, rows = planes * p.input[0] * p.input[1];
    const int64_t block = std::max<int64_t>(interleaved_per_task / std::max<int64_t>(row, 1), 1);
    const int64_t columns = std::min(p.stride[2], p.input[2]);
    const auto kernel = kernels_of<T>(*isa_.gradients).interleave;
    const int threads = worthwhile_threads(double(rows * row) * double(sizeof(T)), threads_);
    std::vector<const Phase*> phases;  // of the rows of x that are alike, modulo the strides: those of their columns
    for (int64_t d = 0; d < p.stride[0]; ++d)
        for (int64_t h = 0; h < p.stride[1]; ++h)
            for (int64_t w = 0; w < columns; ++w)
                phases.push_back(d < p.input[0] && h < p.input[1] ? phase_at(d, h, w) : nullptr);
    parallel_for(parts_of(rows, block), threads, [&](int64_t task, int) {
        constexpr int64_t most = 64;  // sources of a row, on the stack
        const T* from[most];
        int64_t h = task * block % p.input[1], d = task * block / p.input[1] % p.input[0];
        int64_t plane = task * block / p.input[1] / p.input[0];
        for (int64_t r = task * block; r < std::min(rows, (task + 1) * block); ++r) {
            const T* nothing = empty + (channels_first ? plane % p.ic : 0);
            const int64_t dj = d / p.stride[0], hj = h / p.stride[1];  // the number of a row of that kind
            const Phase* const* alike =
                phases.data() + ((d - dj * p.stride[0]) * p.stride[1] + h - hj * p.stride[1]) * columns;
            int64_t pixel = channels;
            const auto source = [&](int64_t w) -> const T* {
                const Phase* f = alike[w];
                if (!f) return nullptr;
                pixel = f->pixel;  // the same for all phases
                return results + f->result + plane * f->plane + flat(f->size, dj, hj, 0) * f->pixel;
            };
            if (columns <= most) {
                for (int64_t w = 0; w < columns; ++w) from[w] = source(w);
                kernel(from, nothing, columns, pixel, p.input[2], channels, x + r * row);
            } else {
                for (int64_t w = 0; w < p.input[2]; ++w) {
                    const T* one = source(w % columns);
                    std::copy_n(one ? one + w / columns * pixel : nothing, channels, x + r * row + w * channels);
                }
            }
            if (++h == p.input[1]) {
                h = 0;
                if (++d == p.input[0]) d = 0, ++plane;
            }
        }
    });
}

template <class T>
void TransposedPlan::run(const T* y, const T* weights, const T* bias, T* x) const {
    const Problem& p = problem_;
    if (p.n * p.ic * p.input_pixels() == 0) return;
    const auto whole = [](const AxisPhases& a) { return a.number.size() == 1 && a.reached.size() == 1; };
    const bool interleaved = !std::all_of(axes_, axes_ + 3, whole);
    const Workspace results((interleaved ? result_elements_ : 0) * int64_t(sizeof(T)));
    const Buffer cropped(cropped_elements_ * int64_t(sizeof(T)));
    const Buffer biases(p.ic * (1 + repeated_bias_) * int64_t(sizeof(T)));
    T* empty = static_cast<T*>(biases.data());  // what a phase is on which no tap falls: the bias
    T* repeated = empty + p.ic;
    for (int64_t c = 0; c < p.ic; ++c) empty[c] = bias ? bias[c] : T(0);
    for (int64_t i = 0; bias && i < p.ic * repeated_bias_; ++i)
        repeated[i] = bias[p.layout == Layout::channels_first ? i / repeated_bias_ : i % p.ic];
    const MapArgs<T> map{empty, empty, {nullptr, p.activation.kind, T(p.activation.low), T(p.activation.high)}};
    kernels_of<T>(isa_).map(map, 0, p.ic);
    for (const Part& part : parts_) {
        const T* from = y;
        if (part.problem.input != p.output) {
            crop(p, y, part.skipped, part.problem.input, static_cast<T*>(cropped.data()));
            from = static_cast<const T*>(cropped.data());
        }
        T* to = interleaved ? reinterpret_cast<T*>(results.data()) + part.result : x;
        part.plan.run(from, static_cast<const void*>(weights), bias ? repeated : nullptr, to);
    }
    if (interleaved) interleave(reinterpret_cast<const T*>(results.data()), empty, x);
}

void TransposedPlan::run(const void* y, const void* weights, const void* bias, void* x) const {
    with_type(problem_.dtype, [&]<class T>(T) {
        run(static_cast<const T*>(y), static_cast<const T*>(weights), static_cast<const T*>(bias), static_cast<T*>(x));
    });
}

}  // namespace fastconv
