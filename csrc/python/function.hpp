// Functions in Python's own calling convention, for those that may be called on tiny arrays: pybind11's conversion of
// arguments would take longer than their work. They take a fixed number of arguments, by position.
#pragma once

#include <pybind11/pybind11.h>

#include <string>
#include <utility>

namespace fastconv {

namespace py = pybind11;

// The new reference that Python expects of f(); an exception becomes Python's, as it would in a function of pybind11.
template <class F>
PyObject* translated(const F& f) {
    try {
        return f().release().ptr();
    } catch (...) {
        py::detail::try_translate_exceptions();
        return nullptr;
    }
}

template <auto f>
struct Function;

template <class Result, class... Handles, Result (*f)(Handles...)>
struct Function<f> {
    static PyObject* call(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
        return translated([&] {
            constexpr size_t wanted = sizeof...(Handles);
            if (size_t(count) != wanted)
                throw py::type_error(std::string(method[0].ml_name) + "() takes " + std::to_string(wanted) +
                                     " positional arguments, got " + std::to_string(count));
            return [&]<size_t... i>(std::index_sequence<i...>) {
                return f(arguments[i]...);
            }(std::make_index_sequence<wanted>());
        });
    }

    static inline PyMethodDef method[2] = {};  // the second ends the list
};

// Adds f, a function of py::handle to an object, to the module.
template <auto f>
void define(py::module_& m, const char* name) {
    auto* call = reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&Function<f>::call));
    Function<f>::method[0] = {name, call, METH_FASTCALL, nullptr};
    if (PyModule_AddFunctions(m.ptr(), Function<f>::method) != 0) throw py::error_already_set();
}

}  // namespace fastconv
