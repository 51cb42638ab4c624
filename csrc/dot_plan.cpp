#include "dot_plan.hpp"

#include <algorithm>

#include "pack.hpp"

namespace fastconv {
namespace {

constexpr int64_t most_word_bytes = 16 << 20;  // of the images that are words at a time, if there are several
constexpr int64_t narrow_row = 28;             // a few tiles; 1x1 convolutions join rows up to here

int64_t words_of(const Problem& p) { return parts_of(p.ic / p.groups, word_bytes); }

}  // namespace

DotWeights pack_dot_weights(const Problem& p, const DotTable& table, const int8_t* weights) {
    const WeightStrides at = weight_strides(p);
    const int64_t group_out = p.oc / p.groups, channels = p.ic / p.groups, words = words_of(p);
    const int64_t packed_out = round_up(group_out, table.lanes), products = words * p.taps();
    DotWeights packed{Buffer(p.groups * packed_out * products * word_bytes), std::vector<int32_t>(size_t(p.oc))};
    auto* to = static_cast<int8_t*>(packed.data.data());
    std::fill_n(to, packed.data.size(), int8_t(0));
    for (int64_t group = 0; group < p.groups; ++group)
        for (int64_t o = 0; o < group_out; ++o) {
            const int64_t first = o / table.panel * table.panel;
            const int64_t width = std::min<int64_t>(table.panel, packed_out - first);
            int8_t* panel = to + ((group * packed_out + first) * products + (o - first)) * word_bytes;
            int32_t& sum = packed.sums[size_t(group * group_out + o)];
            for (int64_t tap = 0; tap < p.taps(); ++tap) {
                const int64_t kw = tap % p.kernel[2], kh = tap / p.kernel[2] % p.kernel[1],
                              kd = tap / (p.kernel[2] * p.kernel[1]);
                const int8_t* from =
                    weights + at.origin + group * at.group + o * at.out + kd * at.tap[0] + kh * at.tap[1] + kw * at.tap[2];
                for (int64_t c = 0; c < channels; ++c) {
                    const int8_t w = from[c * at.in];
                    panel[(tap * words + c / word_bytes) * width * word_bytes + c % word_bytes] = w;
                    sum = int32_t(uint32_t(sum) + uint32_t(int32_t(w)));
                }
            }
        }
    return packed;
}

DotPlan::DotPlan(const Problem& p, const DotTable& table, int threads) : problem_(p), table_(table) {
    DotArgs& a = args_;
    WordArgs& w = words_;
    const bool joined = p.taps() == 1 && p.input == p.output && !p.padded() && p.output[2] < narrow_row;
    a.out = dense_tensor(p, p.oc, p.output);
    a.channels_first = p.layout == Layout::channels_first;
    a.groups = p.groups;
    a.group_out = p.oc / p.groups;
    w.image = dense_tensor(p, p.ic, p.input);
    if (joined) {
        flatten(w.image);
        flatten(a.out);
    }
    w.groups = p.groups;
    w.channels = p.ic / p.groups;
    w.words = a.words = words_of(p);
    for (size_t i = 0; i < 3; ++i) {
        w.before[i] = p.before[i];
        w.padded[i] = w.image.size[i] + p.before[i] + p.after[i];
        a.in.size[i] = w.padded[i];
        a.kernel[i] = p.kernel[i];
        a.step[i] = p.stride[i];
        a.dilation[i] = p.dilation[i];
    }
    a.in.stride[2] = w.words;
    a.in.stride[1] = a.in.stride[2] * w.padded[2];
    a.in.stride[0] = a.in.stride[1] * w.padded[1];
    a.in.c_stride = a.in.stride[0] * w.padded[0];
    a.in.n_stride = image_words_ = a.in.c_stride * p.groups;
    images_at_once_ = std::clamp<int64_t>(most_word_bytes / (std::max<int64_t>(image_words_, 1) * word_bytes), 1,
                                          std::max<int64_t>(p.n, 1));
    a.panels = parts_of(a.group_out, table.panel);
    a.images = images_at_once_;
    threads_ = worthwhile_threads(p.operations(), threads);
    const int64_t rows = a.out.size[0] * a.out.size[1], others = a.groups * a.panels * a.images;
    a.row_blocks = threads_ == 1 ? 1
                                 : std::clamp<int64_t>(parts_of(tasks_per_thread * threads_, std::max<int64_t>(others, 1)),
                                                       1, std::max<int64_t>(rows, 1));
}

// Whether the image is words as it is.
bool DotPlan::in_place(const void* x, bool is_signed) const {
    return !is_signed && problem_.layout == Layout::channels_last && problem_.groups == 1 && !problem_.padded() &&
           problem_.ic % word_bytes == 0 && reinterpret_cast<uintptr_t>(x) % word_bytes == 0;
}

void DotPlan::run(const void* x, bool is_signed, int zero, const DotWeights& weights, const int32_t* start,
                  const DotOutput& output, void* y) const {
    const Problem& p = problem_;
    if (p.n * p.oc * p.output_pixels() == 0) return;
    const int flip = is_signed ? 128 : 0, flipped_zero = zero + flip;
    std::vector<int32_t> starts(static_cast<size_t>(p.oc));
    for (size_t o = 0; o < starts.size(); ++o)
        starts[o] = int32_t((start ? uint32_t(start[o]) : 0) - uint32_t(flipped_zero) * uint32_t(weights.sums[o]));
    DotArgs a = args_;
    a.weights = static_cast<const int32_t*>(weights.data.data());
    a.start = starts.data();
    a.scale = output.scale;
    a.zero = output.zero;
    a.low = output.low;
    a.high = output.high;
    WordArgs w = words_;
    w.flip = uint8_t(flip);
    w.zero = uint8_t(flipped_zero);
    const bool as_it_is = in_place(x, is_signed);
    const Workspace memory(as_it_is ? 0 : images_at_once_ * image_words_ * word_bytes);
    const int64_t element = output.scale ? 1 : int64_t(sizeof(int32_t));
    for (int64_t n = 0; n < p.n; n += images_at_once_) {
        a.images = std::min(images_at_once_, p.n - n);
        w.from = static_cast<const uint8_t*>(x) + n * w.image.n_stride;
        if (as_it_is) {
            a.x = reinterpret_cast<const int32_t*>(w.from);
        } else {
            w.to = reinterpret_cast<uint8_t*>(memory.data());
            a.x = reinterpret_cast<const int32_t*>(memory.data());
            parallel_for(a.images * w.groups * w.padded[0] * w.padded[1], threads_,
                         [&](int64_t task, int) { table_.gather(w, task); });
        }
        a.y = static_cast<char*>(y) + n * a.out.n_stride * element;
        parallel_for(a.groups * a.panels * a.images * a.row_blocks, threads_,
                     [&](int64_t task, int) { table_.run(a, task); });
    }
}

}  // namespace fastconv
