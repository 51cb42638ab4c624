// Gradients of activations and softmax, cross-entropy.
#include "../elementwise_gradient.hpp"

#include "elementwise.hpp"
#include "function.hpp"

namespace fastconv {
namespace {

constexpr double operations_per_element = 20;

// An array beside grad_output, of its shape and dtype.
py::array beside(py::handle value, const char* name, const py::array& dy, DType dtype) {
    const py::array a = array_of(value, name);
    check_dtype(a, name, dtype, "grad_output");
    if (shape_of(a) != shape_of(dy))
        throw py::value_error(std::string(name) + ": shape " + to_string(shape_of(a)) + ", expected " +
                              to_string(shape_of(dy)) + " as grad_output");
    return a;
}

// What leads back through activations starts from what they returned, but for silu, which has no inverse.
py::object activate_gradient(py::handle activation, py::handle grad_output, py::handle value, py::handle parameter,
                             py::handle out) {
    ActivationSpec spec = activation_of(activation);
    if (spec.kind == Activation::leaky_relu && !parameter.is_none()) {
        spec.low = real(parameter, "negative_slope");
        if (!(spec.low >= 0)) value_error("negative_slope", parameter, "a number that is not negative");
    }
    const char* name = spec.kind == Activation::silu ? "input" : "output";
    const py::array dy = array_of(grad_output, "grad_output");
    const DType dtype = dtype_of(dy, "grad_output");
    const py::array at = beside(value, name, dy, dtype);
    Result dx(out, shape_of(dy), dtype, {{"grad_output", &dy}, {name, &at}});
    const py::array dy_native = native(dy, dtype), at_native = native(at, dtype);
    compute(operations_per_element * double(dy.size()), [&] {
        with_type(dtype, [&]<class T>(T) {
            run_activation_gradient<T>(data<T>(dy_native), data<T>(at_native), static_cast<T*>(dx.data()), dx.size(), spec);
        });
    });
    return dx.array();
}

py::object softmax_gradient(py::handle grad_output, py::handle output, py::handle axis, py::handle out) {
    const py::array dy = array_of(grad_output, "grad_output");
    const DType dtype = dtype_of(dy, "grad_output");
    const py::array y = beside(output, "output", dy, dtype);
    const Shape s = shape_of(dy);
    const size_t at = axis_of(axis, s.size());
    Result dx(out, s, dtype, {{"grad_output", &dy}, {"output", &y}});
    const py::array dy_native = native(dy, dtype), y_native = native(y, dtype);
    compute(operations_per_element * double(dy.size()), [&] {
        with_type(dtype, [&]<class T>(T) {
            run_softmax_gradient<T>(data<T>(dy_native), data<T>(y_native), static_cast<T*>(dx.data()), extents(s, 0, at),
                                    s[at], extents(s, at + 1, s.size()));
        });
    });
    return dx.array();
}

// Class numbers as int64, each within the classes.
py::array targets_of(py::handle target, const Shape& expected, int64_t classes, const Shape& logits) {
    const auto numpy = py::module_::import("numpy");
    py::array given;
    try {
        given = numpy.attr("asarray")(target).cast<py::array>();
    } catch (const py::error_already_set& e) {
        if (!e.matches(PyExc_ValueError) && !e.matches(PyExc_TypeError)) throw;
        type_error("target", target, "an array of integers");
    }
    if (given.dtype().kind() != 'i' && given.dtype().kind() != 'u')
        throw py::type_error("target: dtype " + py::str(given.dtype()).cast<std::string>() + ", expected integers");
    if (shape_of(given) != expected)
        throw py::value_error("target: shape " + to_string(shape_of(given)) + ", expected " + to_string(expected) +
                              " for logits of shape " + to_string(logits));
    const py::array numbers = numpy.attr("ascontiguousarray")(given, py::dtype::of<int64_t>()).cast<py::array>();
    const auto* number = static_cast<const int64_t*>(numbers.data());
    for (int64_t i = 0; i < numbers.size(); ++i)
        if (number[i] < 0 || number[i] >= classes) {
            const auto value = py::str(given.attr("flat")[py::int_(i)]).cast<std::string>();
            throw py::value_error("target: " + value + " at place " + std::to_string(i) + ", expected 0 <= target < " +
                                  std::to_string(classes));
        }
    return numbers;
}

// The losses, shaped as the targets; or, where `gradient` is true, the gradient of their sum times `scale`.
py::object cross_entropy(py::handle logits, py::handle target, py::handle axis, py::handle gradient, py::handle scale,
                         py::handle out) {
    const py::array x = array_of(logits, "logits");
    const DType dtype = dtype_of(x, "logits");
    const Shape s = shape_of(x);
    const size_t at = axis_of(axis, s.size());
    Shape kept(s.begin(), s.begin() + at);
    kept.append(s.begin() + at + 1, s.end());
    const py::array t = targets_of(target, kept, s[at], s);
    const bool wanted = boolean(gradient, "gradient");
    const double factor = real(scale, "scale");
    Result y(out, wanted ? s : kept, dtype, {{"logits", &x}, {"target", &t}});
    const py::array x_native = native(x, dtype);
    compute(operations_per_element * double(x.size()), [&] {
        with_type(dtype, [&]<class T>(T) {
            T* to = static_cast<T*>(y.data());
            run_cross_entropy<T>(data<T>(x_native), static_cast<const int64_t*>(t.data()), wanted ? nullptr : to,
                                 wanted ? to : nullptr, factor, extents(s, 0, at), s[at], extents(s, at + 1, s.size()));
        });
    });
    return y.array();
}

}  // namespace

void register_elementwise_gradient(py::module_& m) {
    define<&activate_gradient>(m, "activate_gradient");
    define<&softmax_gradient>(m, "softmax_gradient");
    define<&cross_entropy>(m, "cross_entropy");
}

}  // namespace fastconv
