// The interface for C: src/fastconv/include/fastconv.h, over problems and plans.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

#include "c_api.hpp"
#include "isa.hpp"
#include "parallel.hpp"
#include "plan.hpp"
#include "select.hpp"

struct fastconv_plan {
    fastconv::Problem problem;
    fastconv::ConvPlan plan;
    std::shared_ptr<const fastconv::PackedWeights> weights;
    fastconv::Buffer bias;
};

namespace fastconv {
namespace {

[[noreturn]] void fail(const std::string& name, const std::string& value, const std::string& expected) {
    throw std::invalid_argument(name + "=" + value + ": expected " + expected);
}

int64_t checked(const char* name, int64_t value, int64_t least, int64_t most, const std::string& expected) {
    if (value < least || value > most) fail(name, std::to_string(value), expected);
    return value;
}

constexpr int64_t any = std::numeric_limits<int64_t>::max();

ActivationSpec activation_of(const fastconv_convolution& c) {
    ActivationSpec a;
    a.kind =
        Activation(checked("activation", c.activation, 0, FASTCONV_SILU, "a number from FASTCONV_NONE to FASTCONV_SILU"));
    a.low = c.low;
    a.high = c.high;
    if (a.kind == Activation::clamp && !(a.low <= a.high)) fail("low", std::to_string(a.low), "a number up to high");
    if (a.kind == Activation::leaky_relu && !std::isfinite(a.low)) fail("low", std::to_string(a.low), "a finite slope");
    return a;
}

Problem problem_of(const fastconv_convolution& c, bool bias) {
    Problem p;
    p.rank = int(checked("rank", c.rank, 1, 3, "1, 2 or 3"));
    p.dtype = checked("dtype", c.dtype, 0, 1, "FASTCONV_FLOAT32 or FASTCONV_FLOAT64") ? DType::f64 : DType::f32;
    p.layout = checked("layout", c.layout, 0, 1, "FASTCONV_CHANNELS_FIRST or FASTCONV_CHANNELS_LAST")
                   ? Layout::channels_last
                   : Layout::channels_first;
    p.n = checked("n", c.n, 0, any, "a number that is not negative");
    p.ic = checked("in_channels", c.in_channels, 0, any, "a number that is not negative");
    p.oc = checked("out_channels", c.out_channels, 0, any, "a number that is not negative");
    p.groups = checked("groups", c.groups, 1, any, "a positive number");
    if (p.ic % p.groups || p.oc % p.groups)
        fail("groups", std::to_string(p.groups), "a divisor of in_channels and of out_channels");
    for (int i = 0; i < p.rank; ++i) {
        const size_t axis = size_t(3 - p.rank + i);
        p.input[axis] = checked("input", c.input[i], 0, any, "extents that are not negative");
        p.kernel[axis] = c.kernel[i];
        p.stride[axis] = c.stride[i];
        p.dilation[axis] = c.dilation[i];
        p.before[axis] = c.before[i];
        p.after[axis] = c.after[i];
    }
    p.bias = bias;
    p.activation = activation_of(c);
    complete(p);
    return p;
}

// What f returns, or `failed` with the text of what it threw.
template <class Result, class F>
Result reporting(fastconv_error* error, Result failed, const F& f) noexcept {
    const auto report = [&](const char* text) {
        if (error) std::snprintf(error->text, sizeof error->text, "%s", text);
        return failed;
    };
    try {
        return f();
    } catch (const std::bad_alloc&) {
        return report("out of memory");
    } catch (const std::exception& e) {
        return report(e.what());
    }
}

fastconv_plan* make_plan(const fastconv_convolution* c, const void* weights, const void* bias, fastconv_error* error) {
    return reporting<fastconv_plan*>(error, nullptr, [&] {
        if (!c) throw std::invalid_argument("convolution=NULL: expected a fastconv_convolution");
        const Problem p = problem_of(*c, bias != nullptr);
        if (!weights && product(p.oc, p.ic).value_or(1)) throw std::invalid_argument("weights=NULL: expected an array");
        const int threads =
            c->threads ? int(checked("threads", c->threads, 0, most_threads, "0 to 4096")) : get_num_threads();
        const KernelTable& isa = current_isa();
        const WeightStrides strides = weight_strides(p);
        const bool finite = std::isfinite(largest(p.dtype, isa, weights, strides.size, threads));
        const Choice choice = choose_for_weights(p, c->algorithm ? c->algorithm : "auto", isa, finite);
        ConvPlan plan(p, choice.algorithm->id, isa, threads, strides, true, finite, choice.order);
        Buffer copy(bias ? p.oc * p.element_size() : 0);
        if (bias && p.oc) std::memcpy(copy.data(), bias, size_t(p.oc * p.element_size()));
        auto packed = plan.pack(weights);
        return new fastconv_plan{p, std::move(plan), std::move(packed), std::move(copy)};
    });
}

void output_shape(const fastconv_plan* plan, int64_t* shape) {
    for (const int64_t extent : plan->problem.output_shape()) *shape++ = extent;
}

int run(const fastconv_plan* plan, const void* x, void* y, fastconv_error* error) {
    return reporting<int>(error, -1, [&] {
        plan->plan.run(x, *plan->weights, plan->problem.bias ? plan->bias.data() : nullptr, y);
        return 0;
    });
}

void destroy(fastconv_plan* plan) { delete plan; }

}  // namespace

const fastconv_api& c_api() {
    static const fastconv_api api{FASTCONV_ABI, FASTCONV_VERSION, make_plan, output_shape, run, destroy};
    return api;
}

}  // namespace fastconv
