#include "select.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <unordered_map>

namespace fastconv {
namespace {

// ---- what each algorithm cannot do ----

bool is_conv(const Problem& p) { return p.op == Op::conv; }
bool all_ones(const Axes& axes) { return axes == Axes{1, 1, 1}; }

std::string unless_conv(const Problem& p) { return is_conv(p) ? "" : "computes convolutions, not pooling"; }

std::string any_conv(const Problem& p, const KernelTable&) { return unless_conv(p); }

std::string unsupported_pointwise(const Problem& p, const KernelTable&) {
    if (!is_conv(p)) return unless_conv(p);
    if (p.taps() != 1) return "needs a kernel of extent 1 on every axis";
    if (!all_ones(p.stride)) return "needs stride 1, or channels first and images of up to 32 MB";
    if (p.padded()) return "needs padding 0, or channels first and images of up to 32 MB";
    return "";
}

std::string unsupported_winograd(const Problem& p, bool small_kernels) {
    if (!is_conv(p)) return unless_conv(p);
    const bool small = small_kernels && p.kernel == Axes{1, 2, 2};
    if (p.rank != 2 || (p.kernel != Axes{1, 3, 3} && !small))
        return small_kernels ? "needs a 2-D kernel of 3 x 3 or 2 x 2" : "needs a 2-D kernel of 3 x 3";
    if (!all_ones(p.stride)) return "needs stride 1";
    if (p.dilation[1] != p.dilation[2]) return "needs the same dilation on both axes";
    if (p.ic / p.groups < 2)
        return "needs more than one input channel in each group: its transforms would cost more than they save";
    if (small && p.ic / p.groups < 16)
        return "needs 16 input channels in each group, with a kernel of 2 x 2: with fewer its errors exceed what is "
               "promised";
    return "";
}

std::string unsupported_winograd2(const Problem& p, const KernelTable&) { return unsupported_winograd(p, false); }
std::string unsupported_winograd4(const Problem& p, const KernelTable&) { return unsupported_winograd(p, true); }

constexpr int64_t most_depthwise_channels = 16;

std::string unsupported_depthwise(const Problem& p, const KernelTable&) {
    if (!is_conv(p)) return unless_conv(p);
    const int64_t channels = p.ic / p.groups;
    if (channels != 1 && (p.groups == 1 || channels == 0 || channels > most_depthwise_channels))
        return "needs one input channel in each group, or several groups of at most " +
               std::to_string(most_depthwise_channels);
    return "";
}

std::string unsupported_dot(const Problem& p, const KernelTable& isa) {
    if (!is_conv(p)) return unless_conv(p);
    if (p.dtype != DType::bf16) return "needs bfloat16, in which padding shows zeros";
    if (!dot_kernels<float>(isa)) return std::string("needs a processor that multiplies bfloat16, and ") + "x86-64-v4";
    return "";
}

std::string unsupported_pool(const Problem& p, const KernelTable&) {
    return is_conv(p) ? "computes pooling, not convolutions" : "";
}

// A name without the order behind it, which is put into `order`.
std::string without_order(const std::string& name, std::optional<SumOrder>& order) {
    const size_t slash = name.find('/');
    if (slash == std::string::npos) return name;
    for (const bool by_taps : {false, true})
        for (const bool pixel_lanes : {false, true})
            if (const SumOrder o{by_taps, pixel_lanes}; name.substr(slash + 1) == to_string(o)) order = o;
    return order ? name.substr(0, slash) : name;
}

double cost_of(const Candidate& c) { return c.microseconds; }

// ---- what was measured ----

struct Remembered {
    std::mutex mutex;
    std::unordered_map<std::string, AlgorithmId> choices;
    std::atomic<uint64_t> generation{0};
};
Remembered& remembered() {
    static Remembered r;
    return r;
}

std::string key_of(const Problem& p, const KernelTable& isa) { return to_string(p) + " " + isa.name; }

std::optional<AlgorithmId> recall_choice(const Problem& p, const KernelTable& isa) {
    if (choice_generation() == 0) return std::nullopt;
    Remembered& r = remembered();
    const std::lock_guard lock(r.mutex);
    const auto found = r.choices.find(key_of(p, isa));
    return found == r.choices.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

std::string to_string(SumOrder o) { return std::string(o.by_taps ? "taps" : "columns") + (o.pixel_lanes ? "+pixels" : ""); }

const std::vector<Algorithm>& algorithms() {
    static const std::vector<Algorithm> list = {
        {AlgorithmId::depthwise, "depthwise",
         "one or few input channels a group: tiles of neighbouring outputs that share what they read",
         unsupported_depthwise},
        {AlgorithmId::pointwise, "pointwise", "1x1 kernels: a matrix product with the input in place",
         unsupported_pointwise},
        {AlgorithmId::winograd4, "winograd4",
         "3x3 kernels by Winograd's F(4x4, 3x3), 1/4 of the multiplications; 2x2 kernels by F(5x5, 2x2), 9/25 of them",
         unsupported_winograd4},
        {AlgorithmId::winograd2, "winograd2", "3x3 kernels by Winograd's F(2x2, 3x3), 4/9 of the multiplications",
         unsupported_winograd2},
        {AlgorithmId::im2col, "im2col", "patches gathered a panel at a time, then a matrix product", any_conv},
        {AlgorithmId::direct, "direct", "any convolution, straight from the input, nothing packed but weights", any_conv},
        {AlgorithmId::dot, "dot", "bfloat16: products of pairs of channels in one instruction, summed in float32",
         unsupported_dot},
        {AlgorithmId::pool, "pool", "maximum and average over windows", unsupported_pool},
    };
    return list;
}

const Algorithm& algorithm_of(AlgorithmId id) {
    return *std::find_if(algorithms().begin(), algorithms().end(), [&](const Algorithm& a) { return a.id == id; });
}

std::string why_unsupported(const Problem& p, const Algorithm& a, const KernelTable& isa) {
    return a.unsupported(as_computed(p, a.id, isa), isa);
}

void remember_choice(const Problem& p, const KernelTable& isa, AlgorithmId id) {
    Remembered& r = remembered();
    const std::lock_guard lock(r.mutex);
    r.choices[key_of(p, isa)] = id;
    ++r.generation;
}

void forget_choices() {
    Remembered& r = remembered();
    const std::lock_guard lock(r.mutex);
    r.choices.clear();
    ++r.generation;
}

uint64_t choice_generation() { return remembered().generation.load(std::memory_order_relaxed); }

void check_algorithm_name(const std::string& asked) {
    std::optional<SumOrder> order;
    const std::string name = without_order(asked, order);
    std::string known = "'auto', 'strict', 'winograd'";
    if (name == "auto" || name == "strict" || name == "winograd") return;
    for (const auto& a : algorithms()) {
        if (name == a.name) return;
        known += std::string(", '") + a.name + "'";
    }
    throw std::invalid_argument("algorithm='" + name + "': expected one of " + known);
}

Choice choose(const Problem& p, const std::string& asked, const KernelTable& isa, bool prepared) {
    check_algorithm_name(asked);
    Choice choice{nullptr, "", {}};
    const std::string name = without_order(asked, choice.order);
    const bool strict = name == "strict", free = strict || name == "auto";
    const auto asked_for = [&](const Algorithm& a) {
        if (free) return !(strict && (is_winograd(a.id) || a.id == AlgorithmId::dot));
        return name == a.name || (name == "winograd" && is_winograd(a.id));
    };
    for (const auto& a : algorithms()) {
        const Problem computed = as_computed(p, a.id, isa);
        const std::string unsupported = a.unsupported(computed, isa);
        const double cost = unsupported.empty() ? estimated_microseconds(p, computed, a.id, isa, prepared) : 0;
        choice.candidates.push_back({&a, unsupported, cost});
    }

    if (free)
        if (const auto id = recall_choice(p, isa); id && asked_for(algorithm_of(*id)) && (prepared || !is_winograd(*id))) {
            choice.algorithm = &algorithm_of(*id);
            choice.reason = "the fastest when measured";
            return choice;
        }

    const Candidate* best = nullptr;
    const Candidate* second = nullptr;
    std::string why_not;
    for (const auto& c : choice.candidates) {
        if (!asked_for(*c.algorithm)) continue;
        if (!c.unsupported.empty()) {
            why_not = c.unsupported;
        } else if (!best || cost_of(c) < cost_of(*best)) {
            second = best;
            best = &c;
        } else if (!second || cost_of(c) < cost_of(*second)) {
            second = &c;
        }
    }
    if (!best) throw std::invalid_argument("algorithm='" + name + "': it " + why_not + ", the problem is " + to_string(p));

    choice.algorithm = best->algorithm;
    if (!free)
        choice.reason = "asked for by name";
    else if (!second)
        choice.reason = "the only algorithm for this problem";
    else
        choice.reason = std::string("the lowest estimate, before ") + second->algorithm->name;
    return choice;
}

}  // namespace fastconv
