// Transposed convolution, and the gradients of convolutions.
#include "../operators.hpp"
#include "../recent.hpp"
#include "../transposed_plan.hpp"
#include "../weight_gradient_plan.hpp"
#include "border.hpp"
#include "convolution.hpp"
#include "function.hpp"
#include "plan_key.hpp"

namespace fastconv {
namespace {

void check_gradient(const py::array& dy, const Shape& expected, const Problem& p, const char* name = "grad_output") {
    if (shape_of(dy) != expected)
        throw py::value_error(std::string(name) + ": shape " + to_string(shape_of(dy)) + ", expected " +
                              to_string(expected) + ", the shape of the convolution of " + to_string(p.input_shape()) +
                              " with " + to_string(p.weight_shape()));
}

int64_t image_bytes(const Problem& p) { return p.n * p.ic * p.input_pixels() * p.computed_size(); }

// The key's problem is complete. Kernels that multiply by the weights of padding are not told which are finite: plans look.
std::shared_ptr<const TransposedPlan> transposed_plan_of(const PlanKey& key) {
    static Recent<PlanKey, TransposedPlan> recent;
    const auto make = [&] { return std::make_shared<const TransposedPlan>(key.problem, key.method, *key.isa, key.threads); };
    return key.worth_remembering() ? recent.get(key, make) : make();
}

std::shared_ptr<const WeightGradientPlan> weight_gradient_plan_of(const PlanKey& key) {
    static Recent<PlanKey, WeightGradientPlan> recent;
    const auto make = [&] {
        return std::make_shared<const WeightGradientPlan>(key.problem, key.method, *key.isa, key.threads);
    };
    return key.worth_remembering() ? recent.get(key, make) : make();
}

py::object input_gradient(py::handle rank, py::handle input_size, py::handle weight, py::handle grad_output,
                          py::handle stride, py::handle padding, py::handle dilation, py::handle groups,
                          py::handle padding_mode, py::handle layout, py::handle algorithm, py::handle out) {
    const py::array w = array_of(weight, "weight"), dy = array_of(grad_output, "grad_output");
    const DType dtype = dtype_of(dy, "grad_output");
    check_dtype(w, "weight", dtype, "grad_output");
    Convolution c = convolution(rank, shape_of(w), stride, padding, dilation, groups, layout);
    c.problem.dtype = dtype;
    c.problem.boundary = padding_mode_of(padding_mode, "padding_mode");
    bool batched;
    const Problem p = c.complete_on(shape(input_size, "input_size"), batched, "input_size");
    check_gradient(dy, without_batch(p.output_shape(), batched), p);
    const Problem drawn = with_border_drawn(p);
    const auto plan = transposed_plan_of({drawn, std::string(text(algorithm, "algorithm"))});

    Result dx(out, without_batch(p.input_shape(), batched), dtype, {{"weight", &w}, {"grad_output", &dy}});
    const py::array w_native = native(w, dtype), dy_native = native(dy, dtype);
    void* dx_data = dx.data();
    compute(p.operations(), [&] {
        if (drawn.input == p.input) return plan->run(dy_native.data(), w_native.data(), nullptr, dx_data);
        const Workspace padded(image_bytes(drawn));
        plan->run(dy_native.data(), w_native.data(), nullptr, padded.data());
        Border(p, current_isa(), get_num_threads()).add_back(p.n, padded.data(), dx_data);
    });
    return dx.array();
}

// Of the convolution from x to dy, which are the arguments of these names.
py::object weight_gradient_of(const char* x_name, const char* dy_name, py::handle rank, py::handle input,
                              py::handle weight_size, py::handle grad_output, py::handle stride, py::handle padding,
                              py::handle dilation, py::handle groups, py::handle padding_mode, py::handle layout,
                              py::handle algorithm, py::handle out) {
    const py::array x = array_of(input, x_name), dy = array_of(grad_output, dy_name);
    const DType dtype = dtype_of(dy, dy_name);
    check_dtype(x, x_name, dtype, dy_name);
    Convolution c =
        convolution(rank, shape(weight_size, "weight_size"), stride, padding, dilation, groups, layout, "weight_size");
    c.problem.dtype = dtype;
    c.problem.boundary = padding_mode_of(padding_mode, "padding_mode");
    bool batched;
    const Problem p = c.complete_on(shape_of(x), batched, x_name);
    check_gradient(dy, without_batch(p.output_shape(), batched), p, dy_name);
    const Problem drawn = with_border_drawn(p);
    const auto plan = weight_gradient_plan_of({drawn, std::string(text(algorithm, "algorithm"))});

    Result dw(out, p.weight_shape(), dtype, {{x_name, &x}, {dy_name, &dy}});
    const py::array x_native = native(x, dtype), dy_native = native(dy, dtype);
    void* dw_data = dw.data();
    compute(p.operations(), [&] {
        if (drawn.input == p.input) return plan->run(x_native.data(), dy_native.data(), dw_data);
        const Workspace padded(image_bytes(drawn));
        Border(p, current_isa(), get_num_threads()).pad(p.n, x_native.data(), padded.data());
        plan->run(padded.data(), dy_native.data(), dw_data);
    });
    return dw.array();
}

py::object weight_gradient(py::handle rank, py::handle input, py::handle weight_size, py::handle grad_output,
                           py::handle stride, py::handle padding, py::handle dilation, py::handle groups,
                           py::handle padding_mode, py::handle layout, py::handle algorithm, py::handle out) {
    return weight_gradient_of("input", "grad_output", rank, input, weight_size, grad_output, stride, padding, dilation,
                              groups, padding_mode, layout, algorithm, out);
}

// Input and gradient change places.
py::object transpose_weight_gradient(py::handle rank, py::handle input, py::handle weight_size, py::handle grad_output,
                                     py::handle stride, py::handle padding, py::handle dilation, py::handle groups,
                                     py::handle layout, py::handle algorithm, py::handle out) {
    return weight_gradient_of("grad_output", "input", rank, grad_output, weight_size, input, stride, padding, dilation,
                              groups, py::str("zeros"), layout, algorithm, out);
}

// The convolution whose input gradient this is: from the result to the input.
Problem transposed(const Convolution& c, const Shape& input, py::handle padding, py::handle output_padding, bool& batched) {
    Problem p = c.problem, given = c.problem;
    batched = apply_input_shape(given, input);
    if (given.ic != p.oc)
        throw py::value_error("input: shape " + to_string(input) + " has " + std::to_string(given.ic) +
                              " channels, expected " + std::to_string(p.oc) + " for weight of shape " +
                              to_string(p.weight_shape()));
    p.n = given.n;
    const Axes extra = axes(output_padding, p.rank, "output_padding");
    for (size_t i = size_t(3 - p.rank); i < 3; ++i) {
        if (extra[i] < 0 || extra[i] >= std::max(p.stride[i], p.dilation[i]))
            value_error("output_padding", output_padding, "numbers that are not negative, and less than stride or dilation");
        // (input - 1) * stride - before - after + dilation * (kernel - 1) + extra + 1
        const auto steps = product(given.input[i] - 1, p.stride[i]), reach = product(p.kernel[i] - 1, p.dilation[i]);
        int64_t size = 0;
        const bool fits = steps && reach && !__builtin_add_overflow(*steps, *reach, &size) &&
                          !__builtin_add_overflow(size, extra[i] + 1, &size);
        if (!fits) throw py::value_error("input: shape " + to_string(input) + ", expected sizes that fit into 64 bits");
        if (c.padding.same) {
            p.input[i] = given.input[i] * p.stride[i];
            continue;
        }
        p.input[i] = size - c.padding.before[i] - c.padding.after[i];
        if (given.input[i] == 0 || p.input[i] < 0)
            throw py::value_error("padding=" + py::repr(padding).cast<std::string>() + ": with input of shape " +
                                  to_string(input) + " and weight of shape " + to_string(p.weight_shape()) +
                                  " the result would have an extent of " + std::to_string(p.input[i]) +
                                  ", expected one that is not negative");
    }
    c.padding.apply(p);
    complete(p);
    p.output = given.input;  // with output_padding there could be more
    return p;
}

py::object conv_transpose(py::handle rank, py::handle input, py::handle weight, py::handle bias, py::handle stride,
                          py::handle padding, py::handle output_padding, py::handle groups, py::handle dilation,
                          py::handle layout, py::handle activation, py::handle algorithm, py::handle out) {
    const py::array x = array_of(input, "input");
    if (is_integer_or_complex(x))
        return computed_by_floats("conv_transpose", rank, x, weight, bias, stride, padding, output_padding, groups, dilation,
                                  layout, activation, algorithm, out);
    const py::array w = array_of(weight, "weight");
    const DType dtype = dtype_of(x, "input");
    check_dtype(w, "weight", dtype, "input");
    Convolution c = convolution(rank, shape_of(w), stride, padding, dilation, groups, layout);
    c.problem.dtype = dtype;
    const std::optional<py::array> b = bias_of(bias, c.problem, c.problem.ic);
    c.problem.bias = b.has_value();
    c.problem.activation = activation_of(activation);
    bool batched;
    const Problem p = transposed(c, shape_of(x), padding, output_padding, batched);
    const auto plan = transposed_plan_of({p, std::string(text(algorithm, "algorithm"))});

    Result y(out, without_batch(p.input_shape(), batched), dtype,
             {{"input", &x}, {"weight", &w}, {"bias", b ? &*b : nullptr}});
    const py::array x_native = native(x, dtype), w_native = native(w, dtype);
    const std::optional<py::array> b_native = b ? std::optional(native(*b, dtype)) : std::nullopt;
    const void* b_data = b_native ? b_native->data() : nullptr;
    void* y_data = y.data();
    compute(p.operations(), [&] { plan->run(x_native.data(), w_native.data(), b_data, y_data); });
    return y.array();
}

py::object bias_gradient(py::handle grad_output, py::handle layout, py::handle out) {
    const py::array dy = array_of(grad_output, "grad_output");
    const DType dtype = dtype_of(dy, "grad_output");
    if (dy.ndim() < 3 || dy.ndim() > 5)
        throw py::value_error("grad_output: shape " + to_string(shape_of(dy)) +
                              ", expected 3 to 5 axes: images, channels and one to three of pixels");
    Problem p;
    p.rank = int(dy.ndim()) - 2;
    p.layout = layout_of(layout, p.rank);
    apply_input_shape(p, shape_of(dy), "grad_output");
    const bool first = p.layout == Layout::channels_first;
    const int64_t outer = first ? p.n : p.n * p.input_pixels(), inner = first ? p.input_pixels() : 1;
    Result db(out, Shape{p.ic}, dtype, {{"grad_output", &dy}});
    const py::array dy_native = native(dy, dtype);
    void* db_data = db.data();
    compute(double(dy.size()), [&] {
        with_type(dtype, [&]<class T>(T) {
            run_channel_sums(static_cast<const T*>(dy_native.data()), outer, p.ic, inner, static_cast<T*>(db_data));
        });
    });
    return db.array();
}

}  // namespace

void register_gradient(py::module_& m) {
    define<&conv_transpose>(m, "conv_transpose");
    define<&input_gradient>(m, "conv_input_gradient");
    define<&weight_gradient>(m, "conv_weight_gradient");
    define<&transpose_weight_gradient>(m, "conv_transpose_weight_gradient");
    define<&bias_gradient>(m, "conv_bias_gradient");
    m.def("conv_transpose_output_shape", [](py::handle rank, py::handle input_shape, py::handle weight_shape,
                                            py::handle stride, py::handle padding, py::handle output_padding,
                                            py::handle groups, py::handle dilation, py::handle layout) {
        const Convolution c = convolution(rank, shape(weight_shape, "weight"), stride, padding, dilation, groups, layout);
        bool batched;
        const Problem p = transposed(c, shape(input_shape, "input"), padding, output_padding, batched);
        return to_tuple(without_batch(p.input_shape(), batched));
    });
}

}  // namespace fastconv
