// Python's arguments to ours. Every check of a user's argument and every word about it is here or in problem.cpp.
//
// Messages have one form: name, value, what was expected. Nothing is allocated before all checks have passed.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "../memory.hpp"
#include "../problem.hpp"

namespace fastconv {

namespace py = pybind11;

[[noreturn]] void type_error(const char* name, py::handle value, const std::string& expected);
[[noreturn]] void value_error(const char* name, py::handle value, const std::string& expected);

int64_t integer(py::handle value, const char* name);
bool boolean(py::handle value, const char* name);
int64_t positive_integer(py::handle value, const char* name);
double real(py::handle value, const char* name);
std::string_view text(py::handle value, const char* name);  // lives as long as the value
Shape shape(py::handle value, const char* name);            // a sequence of non-negative integers

int rank_of(py::handle value);
Axes axes(py::handle value, int rank, const char* name);  // one integer for all, or one for each
Axes positive_axes(py::handle value, int rank, const char* name);
Layout layout_of(py::handle value, int rank);
ActivationSpec activation_of(py::handle value);

// Padding waits for the input's extents if it is "same".
struct Padding {
    bool same = false;
    Axes before{}, after{};
    void apply(Problem&) const;
};
Padding padding_of(py::handle value, int rank);

// An input array as the user gave it: an ndarray of one of our types in any byte order, strides and alignment.
py::array array_of(py::handle value, const char* name);
DType dtype_of(const py::array&, const char* name);
void check_dtype(const py::array&, const char* name, DType expected, const char* same_as);
Shape shape_of(const py::array&);

// Integers and complex numbers have no kernels: functions in Python make their results of those of floats.
bool is_integer_or_complex(const py::array&);
template <class... Arguments>
py::object computed_by_floats(const char* function, const Arguments&... arguments) {
    return py::module_::import("fastconv._exact").attr(function)(arguments...);
}

// The same values, C-contiguous, native, aligned: the array itself if it is that already, a copy otherwise.
py::array contiguous(const py::array&, DType);
// The same in the type computed in: of half-sized floats, a copy as float32.
py::array native(const py::array&, DType);
// The one or the other, as a plan takes them.
inline py::array taken(const py::array& a, DType t, bool halves) { return halves ? contiguous(a, t) : native(a, t); }

// Fills in what the input's shape says, adding a batch of one where there is none. Returns whether it was batched.
bool apply_input_shape(Problem&, const Shape& input, const char* name = "input");
Shape input_size_of(py::handle value, py::handle rank);  // the shape of an input that a gradient is asked for
Shape without_batch(const Shape&, bool batched);

py::array new_array(const Shape&, py::dtype);

struct Input {
    const char* name;
    const py::array* array;  // null if it was not given
};
// Fails unless the array has this shape, which is that for the argument `of`, as a user wrote it.
void check_shape(const py::array&, const char* name, const Shape& expected, const char* of, py::handle value);

// Where a result goes: `out` if it was given and can hold it, else a new array, of the first input's type. What is stored in
// half-sized floats is computed beside the array and rounded into it once, at the end.
class Result {
   public:
    Result(py::handle out, const Shape&, DType, std::initializer_list<Input>);
    void* data(bool halves = false) {  // of the type computed in, or of the array's own
        if (halves) return array_.mutable_data();
        if (is_half(dtype_) && !wide_) wide_.emplace(array_.size() * int64_t(sizeof(float)));
        return wide_ ? wide_->data() : array_.mutable_data();
    }
    int64_t size() const { return array_.size(); }
    py::array array() {  // once it is computed
        if (wide_) round();
        return std::move(array_);
    }

   private:
    void round();

    py::array array_;
    DType dtype_;
    std::optional<Workspace> wide_;
};

// Runs f with the interpreter's lock released. Calls long enough can be interrupted from the keyboard.
void compute_unlocked(double operations, const std::function<void()>& f);

// Runs f, so short that the lock costs more than it gives with the lock held.
template <class F>
void compute(double operations, const F& f) {
    constexpr double lock_is_cheaper = 2e5;
    if (operations < lock_is_cheaper) return f();
    compute_unlocked(operations, f);
}

py::tuple to_tuple(const Shape&);

void register_conv(py::module_&);
void register_conv_type(py::module_&);
void register_pool(py::module_&);
void register_pool_gradient(py::module_&);
void register_indexed(py::module_&);
void register_lp_pool(py::module_&);
void register_columns(py::module_&);
void register_border(py::module_&);
void register_shuffle(py::module_&);
void register_weights(py::module_&);
void register_elementwise(py::module_&);
void register_elementwise_gradient(py::module_&);
void register_filter(py::module_&);
void register_capsules(py::module_&);
void register_gradient(py::module_&);
void register_problem(py::module_&);
void register_quantized(py::module_&);
void register_runtime(py::module_&);

}  // namespace fastconv
