// The plain function of convolution.
#include <cmath>

#include "../plan.hpp"
#include "../recent.hpp"
#include "border.hpp"
#include "convolution.hpp"
#include "function.hpp"
#include "plan_key.hpp"

namespace fastconv {
namespace {

struct Planned {
    Problem problem;
    ConvPlan plan;
};

// The key's problem is not complete: what completes and checks it is remembered with its plan.
std::shared_ptr<const Planned> plan_of(const PlanKey& key) {
    static Recent<PlanKey, Planned> recent;
    const auto make = [&] {
        Problem p = key.problem;
        complete(p);
        const Choice choice = choose(p, key.method, *key.isa, false);
        return std::make_shared<const Planned>(Planned{
            p, ConvPlan(p, choice.algorithm->id, *key.isa, key.threads, weight_strides(p), false, true, choice.order)});
    };
    return key.worth_remembering() ? recent.get(key, make) : make();
}

// Of the argument `name`.
py::object conv_of(const char* name, py::handle rank, py::handle input, py::handle weight, py::handle bias,
                   py::handle stride, py::handle padding, py::handle dilation, py::handle groups, py::handle padding_mode,
                   py::handle layout, py::handle activation, py::handle algorithm, py::handle out) {
    const py::array x = array_of(input, name), w = array_of(weight, "weight");
    const DType dtype = dtype_of(x, name);
    check_dtype(w, "weight", dtype, name);
    Convolution c = convolution(rank, shape_of(w), stride, padding, dilation, groups, layout);
    c.problem.dtype = dtype;
    c.problem.boundary = padding_mode_of(padding_mode, "padding_mode");
    const std::optional<py::array> b = bias_of(bias, c.problem, c.problem.oc);
    c.problem.bias = b.has_value();
    c.problem.activation = activation_of(activation);
    bool batched;
    const std::string_view asked = text(algorithm, "algorithm");
    const auto planned = plan_of({c.on(shape_of(x), batched, name), std::string(asked)});
    const Problem& p = planned->problem;

    const Shape shape = without_batch(p.output_shape(), batched);
    Result y(out, shape, dtype, {{name, &x}, {"weight", &w}, {"bias", b ? &*b : nullptr}});
    const std::optional<py::array> b_native = b ? std::optional(native(*b, dtype)) : std::nullopt;
    const void* b_data = b_native ? b_native->data() : nullptr;
    const auto run = [&](const ConvPlan& plan) {
        const bool halves = plan.takes_halves();
        const py::array from = taken(x, dtype, halves), weights = taken(w, dtype, halves);
        void* to = y.data(halves);
        compute(p.operations(), [&] { plan.run(from.data(), weights.data(), b_data, to); });
    };
    const auto finite = [&] {
        const py::array weights = native(w, dtype);
        return std::isfinite(largest(dtype, current_isa(), weights.data(), weights.size(), get_num_threads()));
    };
    if (planned->plan.takes_halves() && spoiled_by_weights(p, AlgorithmId::dot, false) && !finite())
        run(ConvPlan(p, AlgorithmId::direct, current_isa(), get_num_threads(), weight_strides(p), false, false));
    else
        run(planned->plan);
    return y.array();
}

py::object conv(py::handle rank, py::handle input, py::handle weight, py::handle bias, py::handle stride, py::handle padding,
                py::handle dilation, py::handle groups, py::handle padding_mode, py::handle layout, py::handle activation,
                py::handle algorithm, py::handle out) {
    const py::array x = array_of(input, "input");
    if (is_integer_or_complex(x))
        return computed_by_floats("conv", rank, x, weight, bias, stride, padding, dilation, groups, padding_mode, layout,
                                  activation, algorithm, out);
    return conv_of("input", rank, x, weight, bias, stride, padding, dilation, groups, padding_mode, layout, activation,
                   algorithm, out);
}

// The gradient of a transposed convolution with respect to its input: the convolution of that with respect to its result.
py::object transpose_input_gradient(py::handle rank, py::handle weight, py::handle grad_output, py::handle stride,
                                    py::handle padding, py::handle dilation, py::handle groups, py::handle layout,
                                    py::handle algorithm, py::handle out) {
    return conv_of("grad_output", rank, grad_output, weight, py::none(), stride, padding, dilation, groups, py::str("zeros"),
                   layout, py::none(), algorithm, out);
}

}  // namespace

void register_conv(py::module_& m) {
    define<&conv>(m, "conv");
    define<&transpose_input_gradient>(m, "conv_transpose_input_gradient");
    m.def("conv_output_shape", [](py::handle rank, py::handle input_shape, py::handle weight_shape, py::handle stride,
                                  py::handle padding, py::handle dilation, py::handle groups, py::handle layout) {
        const Convolution c = convolution(rank, shape(weight_shape, "weight"), stride, padding, dilation, groups, layout);
        bool batched;
        const Problem p = c.complete_on(shape(input_shape, "input"), batched);
        return to_tuple(without_batch(p.output_shape(), batched));
    });
}

}  // namespace fastconv
