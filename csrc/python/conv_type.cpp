// The Python type of prepared convolutions. It is written against Python's own interface for the sake of one thing, a call
// without detours ("vectorcall"); fastconv.Conv1d, Conv2d and Conv3d inherit from it.
#include "function.hpp"

#include <structmember.h>

#include <algorithm>
#include <cstddef>
#include <functional>

#include "prepared_conv.hpp"

namespace fastconv {
namespace {

struct ConvObject {
    PyObject ob_base;
    vectorcallfunc call;  // null before __init__: Python then says that the object cannot be called
    PreparedConv* conv;
};

ConvObject& object_of(PyObject* self) { return *reinterpret_cast<ConvObject*>(self); }

PreparedConv& conv_of(PyObject* self) {
    if (PreparedConv* conv = object_of(self).conv) return *conv;
    throw py::type_error(std::string(Py_TYPE(self)->tp_name) + ".__init__() was not called");
}

// ---- the call ----

constexpr const char* call_doc =
    "__call__($self, /, x, out=None, residual=None)\n--\n\n"
    "Convolve `x`, of any extent and batch size, with the packed weights.\n\n"
    "Parameters\n----------\n"
    "x : array_like, dtype of the weights\n    Batched or unbatched, in the layout of this object.\n"
    "out : ndarray, optional\n    Where to store the result, as in `conv2d`.\n"
    "residual : array_like, dtype of the weights, optional\n"
    "    Added to the sums before they are activated, ``activation(x * weight + bias + residual)``, as\n"
    "    networks with shortcuts do (He et al., 2016, https://arxiv.org/abs/1512.03385). Of the result's\n"
    "    shape. The same bits as adding it to the result of an object without activation, which takes\n"
    "    another pass. Weights are float32 or float64 then.\n\n"
    "Returns\n-------\n"
    "ndarray\n    The result, of shape ``self.output_shape(x.shape)``.";

constexpr const char* parameters[] = {"x", "out", "residual"};
constexpr int parameter_count = 3;

// Puts each argument where its parameter is, as Python does for a function with defaults.
void bind(PyObject* const* arguments, Py_ssize_t positional, PyObject* names, PyObject* (&values)[parameter_count]) {
    const std::string call = "__call__()";
    if (positional > parameter_count)
        throw py::type_error(call + " takes 1 to 3 arguments, x, out and residual, got " + std::to_string(positional));
    std::copy_n(arguments, positional, values);
    for (Py_ssize_t i = 0; i < (names ? PyTuple_GET_SIZE(names) : 0); ++i) {
        PyObject* name = PyTuple_GET_ITEM(names, i);
        const auto* parameter = std::find_if(std::begin(parameters), std::end(parameters), [&](const char* known) {
            return PyUnicode_CompareWithASCIIString(name, known) == 0;
        });
        if (parameter == std::end(parameters))
            throw py::type_error(call + " got an unexpected argument " + py::repr(name).cast<std::string>() +
                                 ", expected x, out or residual");
        const auto at = parameter - parameters;
        if (at < positional) throw py::type_error(call + " got two values for argument '" + *parameter + "'");
        values[at] = arguments[positional + i];
    }
    if (!values[0]) throw py::type_error(call + " needs argument 'x'");
}

PyObject* call(PyObject* self, PyObject* const* arguments, size_t count, PyObject* names) {
    return translated([&] {
        PyObject* values[] = {nullptr, Py_None, Py_None};
        bind(arguments, PyVectorcall_NARGS(count), names, values);
        return object_of(self).conv->call(values[0], values[1], values[2]);
    });
}

// Python documents every __call__ alike; a copy of its description tells the parameters, and is otherwise the same to
// Python.
void document_call(const py::object& type) {
    const py::object plain = type.attr("__call__");
    const auto* descriptor = reinterpret_cast<PyWrapperDescrObject*>(plain.ptr());
    static wrapperbase documented;
    documented = *descriptor->d_base;
    documented.doc = call_doc;
    auto* python_type = reinterpret_cast<PyTypeObject*>(type.ptr());
    const auto copy = py::reinterpret_steal<py::object>(PyDescr_NewWrapper(python_type, &documented, descriptor->d_wrapped));
    if (!copy) throw py::error_already_set();
    type.attr("__call__") = copy;
}

// ---- life ----

int init(PyObject* self, PyObject* arguments, PyObject* keywords) {
    const auto result = py::reinterpret_steal<py::object>(translated([&] {
        constexpr Py_ssize_t wanted = 11;
        if (PyTuple_GET_SIZE(arguments) != wanted || (keywords && PyDict_GET_SIZE(keywords) > 0))
            throw py::type_error("__init__() takes " + std::to_string(wanted) + " positional arguments");
        ConvObject& object = object_of(self);
        if (object.conv) throw py::type_error("a prepared convolution does not change: __init__() was called twice");
        const auto argument = [&](Py_ssize_t i) { return py::handle(PyTuple_GET_ITEM(arguments, i)); };
        object.conv = new PreparedConv(argument(0), argument(1), argument(2), argument(3), argument(4), argument(5),
                                       argument(6), argument(7), argument(8), argument(9), argument(10));
        object.call = &call;
        return py::none();
    }));
    return result ? 0 : -1;
}

void dealloc(PyObject* self) {
    PyTypeObject* type = Py_TYPE(self);
    delete object_of(self).conv;
    type->tp_free(self);
    Py_DECREF(type);  // which an object of a type on the heap owns
}

// ---- members ----

template <auto read>
PyObject* get(PyObject* self, void*) {
    return translated([&] { return std::invoke(read, conv_of(self)); });
}

template <auto function>
PyObject* method(PyObject* self, PyObject* argument) {
    return translated([&] { return std::invoke(function, conv_of(self), argument); });
}

template <auto read>
constexpr PyGetSetDef property(const char* name, const char* doc) {
    return {name, &get<read>, nullptr, doc, nullptr};
}

using P = PreparedConv;

PyGetSetDef properties[] = {
    property<&P::weight>("weight", "The weights as they were given, read-only."),
    property<&P::bias>("bias", "The bias as it was given, read-only, or None."),
    property<&P::rank>("rank", "Number of spatial axes."),
    property<&P::weight_shape>("weight_shape", "Shape of the weights, in the layout of this object."),
    property<&P::kernel_size>("kernel_size", "Kernel extents, one per axis."),
    property<&P::in_channels>("in_channels", "Number of input channels, over all groups."),
    property<&P::out_channels>("out_channels", "Number of output channels, over all groups."),
    property<&P::stride>("stride", "Strides, one per axis."),
    property<&P::padding>("padding", "One (before, after) pair per axis, or ``\"same\"``."),
    property<&P::padding_mode>("padding_mode", "What padding shows: ``\"zeros\"``, ``\"reflect\"`` and so on."),
    property<&P::dilation>("dilation", "Dilations, one per axis."),
    property<&P::groups>("groups", "Number of groups."),
    property<&P::layout>("layout", "``\"NCHW\"`` for channels first or ``\"NHWC\"`` for channels last, at any rank."),
    property<&P::activation>("activation", "The activation as it was given."),
    property<&P::algorithm>("algorithm",
                            "The algorithm asked for; what ``\"auto\"`` chooses is in ``explain(shape).algorithm``."),
    property<&P::dtype>("dtype", "Data type of weights, input and output."),
    {},
};

PyMethodDef methods[] = {
    {"_explain", &method<&P::explain>, METH_O, nullptr},
    {"_profile", &method<&P::profile>, METH_O, nullptr},
    {"output_shape", &method<&P::output_shape>, METH_O,
     "output_shape($self, input_shape, /)\n--\n\n"
     "Shape of the result for an input of this shape.\n\n"
     "Parameters\n----------\n"
     "input_shape : sequence of int\n    Batched or unbatched, in the layout of this object.\n\n"
     "Returns\n-------\n"
     "tuple of int\n    The shape."},
    {},
};

PyMemberDef members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(ConvObject, call), READONLY, nullptr},
    {},
};

PyType_Slot slots[] = {
    {Py_tp_new, reinterpret_cast<void*>(&PyType_GenericNew)},
    {Py_tp_init, reinterpret_cast<void*>(&init)},
    {Py_tp_dealloc, reinterpret_cast<void*>(&dealloc)},
    {Py_tp_call, reinterpret_cast<void*>(&PyVectorcall_Call)},
    {Py_tp_members, members},
    {Py_tp_getset, properties},
    {Py_tp_methods, methods},
    {0, nullptr},
};

PyType_Spec spec = {
    "fastconv._fastconv.Conv",
    sizeof(ConvObject),
    0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_VECTORCALL,
    slots,
};

}  // namespace

void register_conv_type(py::module_& m) {
    const auto type = py::reinterpret_steal<py::object>(PyType_FromModuleAndSpec(m.ptr(), &spec, nullptr));
    if (!type) throw py::error_already_set();
    document_call(type);
    m.attr("Conv") = type;
}

}  // namespace fastconv
