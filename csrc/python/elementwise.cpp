// The fully connected layer, activation functions, softmax.
#include <optional>

#include "../operators.hpp"
#include "elementwise.hpp"
#include "function.hpp"

namespace fastconv {
namespace {

py::object linear(py::handle input, py::handle weight, py::handle bias, py::handle activation, py::handle out) {
    const py::array x = array_of(input, "input");
    if (is_integer_or_complex(x)) return computed_by_floats("linear", x, weight, bias, activation, out);
    const py::array w = array_of(weight, "weight");
    const DType dtype = dtype_of(x, "input");
    check_dtype(w, "weight", dtype, "input");
    const Shape xs = shape_of(x), ws = shape_of(w);
    if (ws.size() != 2)
        throw py::value_error("weight: shape " + to_string(ws) + ", expected 2 axes, (out_features, in_features)");
    if (xs.empty() || xs.back() != ws[1])
        throw py::value_error("input: shape " + to_string(xs) + ", expected a last axis of " + std::to_string(ws[1]) +
                              " for weight of shape " + to_string(ws));
    std::optional<py::array> b;
    if (!bias.is_none()) {
        b = array_of(bias, "bias");
        check_dtype(*b, "bias", dtype, "input");
        if (shape_of(*b) != Shape{ws[0]})
            throw py::value_error("bias: shape " + to_string(shape_of(*b)) + ", expected " + to_string(Shape{ws[0]}) +
                                  " for weight of shape " + to_string(ws));
    }
    const ActivationSpec spec = activation_of(activation);
    Shape ys = xs;
    ys.back() = ws[0];
    if (!addressable(ys, sizeof(double)))
        throw py::value_error("weight: shape " + to_string(ws) + ", expected a result whose size fits into 64 bits");

    Result y(out, ys, dtype, {{"input", &x}, {"weight", &w}, {"bias", b ? &*b : nullptr}});
    const py::array x_native = native(x, dtype), w_native = native(w, dtype);
    const std::optional<py::array> b_native = b ? std::optional(native(*b, dtype)) : std::nullopt;
    const int64_t rows = extents(xs, 0, xs.size() - 1);
    compute(2.0 * double(rows) * double(ws[0]) * double(ws[1]), [&] {
        with_type(dtype, [&]<class T>(T) {
            run_linear<T>(data<T>(x_native), data<T>(w_native), b_native ? data<T>(*b_native) : nullptr,
                          static_cast<T*>(y.data()), rows, ws[1], ws[0], spec);
        });
    });
    return y.array();
}

constexpr double operations_per_element = 20;

py::object activate(py::handle name, py::handle input, py::handle parameter, py::handle out) {
    ActivationSpec spec = activation_of(name);
    if (spec.kind == Activation::leaky_relu) spec.low = real(parameter, "negative_slope");
    const py::array x = array_of(input, "x");
    const DType dtype = dtype_of(x, "x");
    Result y(out, shape_of(x), dtype, {{"x", &x}});
    const py::array x_native = native(x, dtype);
    compute(operations_per_element * double(x.size()), [&] {
        with_type(dtype,
                  [&]<class T>(T) { run_activation<T>(data<T>(x_native), static_cast<T*>(y.data()), y.size(), spec); });
    });
    return y.array();
}

py::object softmax(py::handle input, py::handle axis, py::handle out) {
    const py::array x = array_of(input, "x");
    const DType dtype = dtype_of(x, "x");
    const Shape s = shape_of(x);
    const size_t at = axis_of(axis, s.size());
    Result y(out, s, dtype, {{"x", &x}});
    const py::array x_native = native(x, dtype);
    compute(operations_per_element * double(x.size()), [&] {
        with_type(dtype, [&]<class T>(T) {
            run_softmax<T>(data<T>(x_native), static_cast<T*>(y.data()), extents(s, 0, at), s[at],
                           extents(s, at + 1, s.size()));
        });
    });
    return y.array();
}

}  // namespace

void register_elementwise(py::module_& m) {
    define<&linear>(m, "linear");
    define<&activate>(m, "activate");
    define<&softmax>(m, "softmax");
}

}  // namespace fastconv
