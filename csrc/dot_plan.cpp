#include "dot_plan.hpp"

#include <algorithm>

namespace fastconv {
namespace {

constexpr int64_t most_word_bytes = 16 << 20;  // of the images that are words at a time, if there are several
constexpr double operations_per_task = 1e9;    // at most, so that a call can be interrupted within milliseconds
constexpr int64_t narrow_row = 28;             // a few tiles; 1x1 convolutions join rows up to here

}  // namespace

template <class T>
DotPlan<T>::DotPlan(const Problem& p, const DotKernels<T>& kernels, int threads) : problem_(p), kernels_(&kernels) {
    DotArgs<T>& a = args_;
    WordArgs<T>& w = words_;
    a.out = dense_tensor(p, p.oc, p.output);
    a.channels_first = p.layout == Layout::channels_first;
    a.groups = p.groups;
    a.group_out = p.oc / p.groups;
    a.epilogue.activation = p.activation.kind;
    a.epilogue.low = T(p.activation.low);
    a.epilogue.high = T(p.activation.high);
    w.image = dense_tensor(p, p.ic, p.input);
    const bool flat = p.taps() == 1 && p.input == p.output && !p.padded() && p.output[2] < narrow_row;
    if (flat) {
        flatten(w.image);
        flatten(a.out);
    }
    w.groups = p.groups;
    w.channels = p.ic / p.groups;
    w.words = a.words = parts_of(w.channels, word_elements<T>);
    for (size_t i = 0; i < 3; ++i) {
        w.before[i] = p.before[i];
        w.padded[i] = w.image.size[i] + p.before[i] + p.after[i];
        a.in.size[i] = w.padded[i];
        a.kernel[i] = p.kernel[i];
        a.step[i] = flat ? 1 : p.stride[i];  // a stride along an axis of one pixel is none
        a.dilation[i] = p.dilation[i];
    }
    const auto at_least_one = [](int64_t n) { return std::max<int64_t>(n, 1); };
    a.in.stride[2] = w.words;
    a.in.stride[1] = a.in.stride[2] * w.padded[2];
    a.in.stride[0] = a.in.stride[1] * w.padded[1];
    a.in.c_stride = a.in.stride[0] * w.padded[0];
    a.in.n_stride = image_words_ = a.in.c_stride * p.groups;
    images_at_once_ = std::clamp<int64_t>(most_word_bytes / (at_least_one(image_words_) * word_bytes), 1, at_least_one(p.n));
    a.panels = parts_of(a.group_out, kernels.panel);
    a.images = images_at_once_;
    summary_.threads = worthwhile_threads(p.operations(), threads);
    const int64_t others = at_least_one(a.groups * a.panels * a.images);
    const int64_t by_time = int64_t(std::min(p.operations() / operations_per_task / double(others), 1e9)) + 1;
    const int64_t by_threads = summary_.threads > 1 ? parts_of(tasks_per_thread * summary_.threads, others) : 1;
    const int64_t wanted = std::max(by_time, by_threads);
    a.row_blocks = std::clamp<int64_t>(wanted, 1, at_least_one(a.out.size[0] * a.out.size[1]));
    if (p.n > 0 && p.output_pixels() > 0) summary_.tasks = p.groups * a.panels * p.n * a.row_blocks;
    const int64_t behind = kernels.matrix ? kernels.rows * p.stride[2] * w.words * word_bytes : 0;  // that are read too
    summary_.workspace_bytes = summary_.tasks > 0 ? images_at_once_ * image_words_ * word_bytes + behind : 0;
    summary_.tile = tile_text(kernels.rows, "pixels", kernels.panel, "channels");
    summary_.blocking = {{"panels", a.panels}, {"row_blocks", a.row_blocks}, {"images", images_at_once_}};
}

template <class T>
int64_t DotPlan<T>::packed_bytes() const {
    return problem_.groups * round_up(args_.group_out, kernels_->lanes) * words_.words * problem_.taps() * word_bytes;
}

template <class T>
void DotPlan<T>::pack(const Element* weights, const WeightStrides& at, void* packed) const {
    constexpr int64_t each = word_elements<T>;
    const Problem& p = problem_;
    const int64_t packed_out = round_up(args_.group_out, kernels_->lanes), products = words_.words * p.taps();
    std::fill_n(static_cast<char*>(packed), packed_bytes(), char(0));
    parallel_for(p.groups * args_.group_out, summary_.threads, [&](int64_t channel, int) {
        const int64_t group = channel / args_.group_out, o = channel % args_.group_out;
        const int64_t first = o / kernels_->panel * kernels_->panel;
        const int64_t width = std::min<int64_t>(kernels_->panel, packed_out - first);
        Element* to = static_cast<Element*>(packed) + ((group * packed_out + first) * products + (o - first)) * each;
        for (int64_t tap = 0; tap < p.taps(); ++tap) {
            const int64_t kw = tap % p.kernel[2], kh = tap / p.kernel[2] % p.kernel[1],
                          kd = tap / (p.kernel[2] * p.kernel[1]);
            const Element* from =
                weights + at.origin + group * at.group + o * at.out + kd * at.tap[0] + kh * at.tap[1] + kw * at.tap[2];
            for (int64_t c = 0; c < words_.channels; ++c)
                to[(tap * words_.words + c / each) * width * each + c % each] = from[c * at.in];
        }
    });
}

// Whether the image is words as it is.
template <class T>
bool DotPlan<T>::in_place(const void* x, Element flip) const {
    return !kernels_->matrix && flip == 0 && problem_.layout == Layout::channels_last && problem_.groups == 1 &&
           !problem_.padded() && problem_.ic % word_elements<T> == 0 && reinterpret_cast<uintptr_t>(x) % word_bytes == 0;
}

template <class T>
void DotPlan<T>::run(const void* x, const void* packed, const T* start, void* y, const DotOutput& output, Element flip,
                     Element zero) const {
    if (summary_.tasks == 0) return;
    DotArgs<T> a = args_;
    a.weights = static_cast<const T*>(packed);
    a.start = start;
    a.scale = output.scale;
    a.zero = output.zero;
    a.low = output.low;
    a.high = output.high;
    WordArgs<T> w = words_;
    w.flip = flip;
    w.zero = zero;
    const bool as_it_is = in_place(x, flip);
    const Workspace memory(as_it_is ? 0 : summary_.workspace_bytes);
    const int64_t element = std::is_same_v<T, float> ? 2 : output.scale ? 1 : int64_t(sizeof(int32_t));
    for (int64_t n = 0; n < problem_.n; n += images_at_once_) {
        a.images = std::min(images_at_once_, problem_.n - n);
        w.from = static_cast<const Element*>(x) + n * w.image.n_stride;
        if (as_it_is) {
            a.x = reinterpret_cast<const T*>(w.from);
        } else {
            w.to = reinterpret_cast<Element*>(memory.data());
            a.x = reinterpret_cast<const T*>(memory.data());
            parallel_for(a.images * w.groups * w.padded[0] * w.padded[1], summary_.threads,
                         [&](int64_t task, int) { kernels_->gather(w, task); });
        }
        a.y = static_cast<char*>(y) + n * a.out.n_stride * element;
        parallel_for(a.groups * a.panels * a.images * a.row_blocks, summary_.threads,
                     [&](int64_t task, int) { kernels_->run(a, task); });
    }
}

template class DotPlan<int32_t>;
template class DotPlan<float>;

}  // namespace fastconv
