#include "arguments.hpp"

#include <atomic>
#include <cmath>
#include <limits>
#include <optional>
#include <stdexcept>

#include "../half.hpp"
#include "../parallel.hpp"

namespace fastconv {
namespace {

constexpr const char* known_types = "float32, float64, float16 or bfloat16";

constexpr int required_flags = int(py::array::c_style) | int(py::detail::npy_api::NPY_ARRAY_ALIGNED_);

std::string given(const char* name, py::handle value) {
    std::string text = py::repr(value).cast<std::string>();
    if (text.size() > 200) text = text.substr(0, 200) + "...";  // an array, say
    return std::string(name) + "=" + text + ": expected ";
}

bool is_sequence(py::handle value) {
    return PySequence_Check(value.ptr()) && !py::isinstance<py::str>(value) && !py::isinstance<py::bytes>(value);
}

// The integer that an int of Python's is, `value` being what the caller gave.
int64_t int_value(py::handle integer, py::handle value, const char* name) {
    int overflow = 0;
    const long long result = PyLong_AsLongLongAndOverflow(integer.ptr(), &overflow);
    if (overflow) value_error(name, value, "an integer of at most 64 bits");
    return result;
}

// The integer of an object other than an int that has one (a NumPy integer, not a bool).
std::optional<int64_t> converted_index(py::handle value, const char* name) {
    if (PyBool_Check(value.ptr()) || !PyIndex_Check(value.ptr())) return std::nullopt;
    const auto number = py::reinterpret_steal<py::object>(PyNumber_Index(value.ptr()));
    if (!number) {  // an array of several elements has the slot too
        PyErr_Clear();
        return std::nullopt;
    }
    return int_value(number, value, name);
}

// The integer of an object that is one, if it is. Small, so that it is compiled into its callers: nearly every argument is
// an int.
inline std::optional<int64_t> index_of(py::handle value, const char* name) {
    if (PyLong_CheckExact(value.ptr())) return int_value(value, value, name);
    return converted_index(value, name);
}

std::string count_text(int rank, const char* what) { return std::to_string(rank) + " " + what + (rank == 1 ? "" : "s"); }

}  // namespace

void type_error(const char* name, py::handle value, const std::string& expected) {
    throw py::type_error(given(name, value) + expected);
}
void value_error(const char* name, py::handle value, const std::string& expected) {
    throw py::value_error(given(name, value) + expected);
}

int64_t integer(py::handle value, const char* name) {
    if (const auto i = index_of(value, name)) return *i;
    type_error(name, value, "an integer");
}

int64_t positive_integer(py::handle value, const char* name) {
    const int64_t i = integer(value, name);
    if (i < 1) value_error(name, value, "a positive integer");
    return i;
}

bool boolean(py::handle value, const char* name) {
    if (PyBool_Check(value.ptr())) return value.ptr() == Py_True;
    if (py::isinstance(value, py::module_::import("numpy").attr("bool_")))
        return value.cast<py::object>().attr("item")().cast<bool>();
    type_error(name, value, "True or False");
}

double real(py::handle value, const char* name) {
    if (PyBool_Check(value.ptr()) ||
        !(PyFloat_Check(value.ptr()) || PyIndex_Check(value.ptr()) || PyObject_HasAttrString(value.ptr(), "__float__")))
        type_error(name, value, "a number");
    const double v = PyFloat_AsDouble(value.ptr());
    if (PyErr_Occurred()) {
        PyErr_Clear();
        type_error(name, value, "a number");
    }
    return v;
}

std::string_view text(py::handle value, const char* name) {
    if (!py::isinstance<py::str>(value)) type_error(name, value, "a string");
    Py_ssize_t size = 0;
    const char* characters = PyUnicode_AsUTF8AndSize(value.ptr(), &size);
    if (!characters) {
        PyErr_Clear();
        value_error(name, value, "a string without lone surrogates");
    }
    return {characters, size_t(size)};
}

Shape shape(py::handle value, const char* name) {
    if (!is_sequence(value)) type_error(name, value, "a sequence of integers");
    Shape result;
    for (const py::handle item : py::reinterpret_borrow<py::sequence>(value)) {
        const auto i = index_of(item, name);
        if (!i) type_error(name, value, "a sequence of integers");
        if (*i < 0) value_error(name, value, "extents that are not negative");
        if (result.size() == Shape::most) value_error(name, value, "at most " + count_text(Shape::most, "extent"));
        result.push_back(*i);
    }
    return result;
}

int rank_of(py::handle value) {
    const int64_t rank = integer(value, "rank");
    if (rank < 1 || rank > 3) value_error("rank", value, "1, 2 or 3");
    return int(rank);
}

Axes axes(py::handle value, int rank, const char* name) {
    Axes result{1, 1, 1};
    if (const auto i = index_of(value, name)) {
        std::fill(result.end() - rank, result.end(), *i);
        return result;
    }
    const auto expected = [&] { return "an integer or a sequence of " + count_text(rank, "integer"); };
    if (!is_sequence(value)) type_error(name, value, expected());
    const auto items = py::reinterpret_borrow<py::sequence>(value);
    if (items.size() != size_t(rank)) value_error(name, value, expected());
    for (int i = 0; i < rank; ++i) {
        const auto item = index_of(items[size_t(i)], name);
        if (!item) type_error(name, value, expected());
        result[size_t(3 - rank + i)] = *item;
    }
    return result;
}

Axes positive_axes(py::handle value, int rank, const char* name) {
    const Axes result = axes(value, rank, name);
    for (const int64_t n : result)
        if (n < 1) value_error(name, value, "positive integers");
    return result;
}

Layout layout_of(py::handle value, int rank) {
    const std::string_view name = text(value, "layout");
    struct Name {
        std::string_view text;
        int rank;  // 0: any
        Layout layout;
    };
    static constexpr Name names[] = {
        {"NCHW", 0, Layout::channels_first},  {"NHWC", 0, Layout::channels_last},  {"NCL", 1, Layout::channels_first},
        {"NLC", 1, Layout::channels_last},    {"NCW", 1, Layout::channels_first},  {"NWC", 1, Layout::channels_last},
        {"NCDHW", 3, Layout::channels_first}, {"NDHWC", 3, Layout::channels_last},
    };
    const auto fits = [&](const Name& n) { return n.rank == 0 || n.rank == rank; };
    for (const auto& n : names)
        if (fits(n) && name == n.text) return n.layout;
    std::string known;
    for (const auto& n : names)
        if (fits(n)) known += (known.empty() ? "'" : ", '") + std::string(n.text) + "'";
    value_error("layout", value, "one of " + known);
}

ActivationSpec activation_of(py::handle value) {
    const char* expected =
        "None, 'relu', 'relu6', 'leaky_relu', 'sigmoid', 'tanh', 'silu' or a (low, high) pair, either of which may be None";
    if (value.is_none()) return {};
    constexpr double infinity = std::numeric_limits<double>::infinity();
    if (py::isinstance<py::str>(value)) {
        if (const auto named = activation_named(std::string(text(value, "activation")))) return *named;
        value_error("activation", value, expected);
    }
    if (!is_sequence(value)) type_error("activation", value, expected);
    const auto bounds = py::reinterpret_borrow<py::sequence>(value);
    if (bounds.size() != 2) value_error("activation", value, expected);
    const py::object low = bounds[0], high = bounds[1];
    ActivationSpec a{Activation::clamp, -infinity, infinity};
    if (!low.is_none()) a.low = real(low, "activation");
    if (!high.is_none()) a.high = real(high, "activation");
    if (!(a.low <= a.high)) value_error("activation", value, "low <= high");
    return a;
}

void Padding::apply(Problem& p) const {
    if (same) return pad_same(p);
    p.before = before;
    p.after = after;
}

Padding padding_of(py::handle value, int rank) {
    const auto expected = [&] {
        return "an integer, " + count_text(rank, "integer") + " or (before, after) pair" + (rank == 1 ? "" : "s") +
               ", 'valid' or 'same'";
    };
    Padding padding;
    if (py::isinstance<py::str>(value)) {
        const std::string_view name = text(value, "padding");
        if (name != "same" && name != "valid") value_error("padding", value, expected());
        padding.same = name == "same";
        return padding;
    }
    const bool one_for_all = index_of(value, "padding").has_value();
    if (!one_for_all && !is_sequence(value)) type_error("padding", value, expected());
    const bool pairs =
        !one_for_all && PySequence_Size(value.ptr()) == rank && is_sequence(py::reinterpret_borrow<py::sequence>(value)[0]);
    if (pairs) {
        const auto items = py::reinterpret_borrow<py::sequence>(value);
        for (int i = 0; i < rank; ++i) {
            const py::object item = items[size_t(i)];
            if (!is_sequence(item)) type_error("padding", value, expected());
            const auto pair = py::reinterpret_borrow<py::sequence>(item);
            if (pair.size() != 2) value_error("padding", value, expected());
            const auto before = index_of(pair[0], "padding"), after = index_of(pair[1], "padding");
            if (!before || !after) type_error("padding", value, expected());
            padding.before[size_t(3 - rank + i)] = *before;
            padding.after[size_t(3 - rank + i)] = *after;
        }
    } else {
        const Axes both = axes(value, rank, "padding");
        std::copy(both.end() - rank, both.end(), padding.before.end() - rank);
        padding.after = padding.before;
    }
    for (size_t i = 0; i < 3; ++i)
        if (padding.before[i] < 0 || padding.after[i] < 0) value_error("padding", value, "padding that is not negative");
    return padding;
}

py::array array_of(py::handle value, const char* name) {
    if (py::isinstance<py::array>(value)) return py::reinterpret_borrow<py::array>(value);
    try {
        return py::module_::import("fastconv._results").attr("as_array")(value, name).cast<py::array>();
    } catch (const py::error_already_set& e) {
        if (e.matches(PyExc_KeyboardInterrupt) || e.matches(PyExc_MemoryError)) throw;
        type_error(name, value, std::string("an array of ") + known_types);
    }
}

namespace {

const auto& descriptor(const py::array& a) {
    return *py::detail::array_descriptor_proxy(py::detail::array_proxy(a.ptr())->descr);
}

// Of float32 and float64; half-sized floats are never native.
int type_number(DType t) { return t == DType::f32 ? py::detail::npy_api::NPY_FLOAT_ : py::detail::npy_api::NPY_DOUBLE_; }

bool is_native(const py::array& a, DType t) {
    return descriptor(a).type_num == type_number(t) && descriptor(a).byteorder == '=';
}

bool is_plain(const py::array& a) { return (a.flags() & required_flags) == required_flags; }

py::dtype numpy_dtype(DType t) { return py::dtype(type_number(t)); }

// A type with another number than float32 and float64. bfloat16 is a package's own, which may never be imported: it is known
// by its name, which is asked for once, since its number stays.
std::optional<DType> other_type(const py::array& a) {
    constexpr int half = 23, first_of_packages = 256;  // NumPy's NPY_HALF, NPY_USERDEF
    static std::atomic<int> bfloat16{-1};
    const int number = descriptor(a).type_num;
    if (number == half) return DType::f16;
    if (number == bfloat16.load(std::memory_order_relaxed)) return DType::bf16;
    const py::dtype t = a.dtype();
    if (t.kind() == 'f' && t.itemsize() == 8) return DType::f64;  // a long double of a platform where it is no longer
    if (number < first_of_packages || t.kind() != 'V' || t.itemsize() != 2 ||
        py::str(t.attr("name")).cast<std::string>() != "bfloat16")
        return std::nullopt;
    bfloat16.store(number, std::memory_order_relaxed);
    return DType::bf16;
}

py::dtype native_dtype(const py::array& a) {
    return descriptor(a).byteorder == '=' ? a.dtype() : a.dtype().attr("newbyteorder")("=").cast<py::dtype>();
}

}  // namespace

DType dtype_of(const py::array& a, const char* name) {
    for (const DType t : {DType::f32, DType::f64})
        if (descriptor(a).type_num == type_number(t)) return t;
    if (const auto t = other_type(a)) return *t;
    throw py::type_error(std::string(name) + ": dtype " + py::str(a.dtype()).cast<std::string>() +
                         " is not supported, expected " + known_types);
}

void check_dtype(const py::array& a, const char* name, DType expected, const char* same_as) {
    if (dtype_of(a, name) != expected)
        throw py::type_error(std::string(name) + ": dtype " + py::str(a.dtype()).cast<std::string>() + ", expected " +
                             to_string(expected) + " as " + same_as);
}

bool is_integer_or_complex(const py::array& a) {
    const char kind = descriptor(a).kind;
    return kind == 'i' || kind == 'u' || kind == 'c';
}

Shape shape_of(const py::array& a) { return Shape(a.shape(), a.shape() + a.ndim()); }

py::array contiguous(const py::array& a, DType t) {
    if (descriptor(a).byteorder == '=' && is_plain(a)) return a;
    const auto& numpy = py::detail::npy_api::get();
    constexpr int flags = required_flags | py::detail::npy_api::NPY_ARRAY_ENSUREARRAY_;
    const py::dtype type = is_half(t) ? native_dtype(a) : numpy_dtype(t);
    PyObject* copy = numpy.PyArray_FromAny_(a.ptr(), py::object(type).release().ptr(), 0, 0, flags, nullptr);
    if (!copy) throw py::error_already_set();
    return py::reinterpret_steal<py::array>(copy);
}

py::array native(const py::array& a, DType t) {
    if (is_native(a, t) && is_plain(a)) return a;
    py::array own = contiguous(a, t);
    if (!is_half(t)) return own;
    py::array wide = new_array(shape_of(own), numpy_dtype(DType::f32));
    auto* to = static_cast<float*>(wide.mutable_data());
    compute(double(own.size()), [&] { widen(t, own.data(), own.size(), to); });
    return wide;
}

bool apply_input_shape(Problem& p, const Shape& input, const char* name) {
    const size_t rank = size_t(p.rank);
    if (input.size() != rank + 1 && input.size() != rank + 2)
        throw py::value_error(std::string(name) + ": shape " + to_string(input) + ", expected " + std::to_string(rank + 2) +
                              " axes (or " + std::to_string(rank + 1) + " without a batch)");
    const bool batched = input.size() == rank + 2;
    const bool first = p.layout == Layout::channels_first;
    p.n = batched ? input[0] : 1;
    p.ic = first ? input[size_t(batched)] : input.back();
    const auto begin = input.begin() + int(batched) + int(first);
    std::copy(begin, begin + p.rank, p.input.end() - p.rank);
    return batched;
}

Shape input_size_of(py::handle value, py::handle rank) {
    const Shape size = shape(value, "input_size");
    const size_t axes = size_t(rank_of(rank));
    if (size.size() != axes + 1 && size.size() != axes + 2)
        value_error("input_size", value,
                    std::to_string(axes + 2) + " extents (or " + std::to_string(axes + 1) + " without a batch)");
    return size;
}

Shape without_batch(const Shape& s, bool batched) { return Shape(s.begin() + !batched, s.end()); }

py::tuple to_tuple(const Shape& s) {
    py::tuple t(s.size());
    for (size_t i = 0; i < s.size(); ++i) t[i] = s[i];
    return t;
}

namespace {

constexpr int64_t worth_aligning = 32 << 10;  // bytes: below, a second object would cost more than it saves
constexpr int64_t huge_page = 2 << 20;
constexpr int64_t worth_huge_pages = 4 << 20;  // bytes: from there on NumPy asks the system for them

// Where in memory an array of so many bytes should begin. NumPy's large arrays begin 16 bytes behind a page, so that every
// vector of 64 bytes would lie in two cache lines; and what of a huge page is not all the array's is had in small ones, each
// with a fault of its own: of 16 MiB an eighth.
int64_t alignment_of(int64_t bytes) { return bytes < worth_huge_pages ? alignment : huge_page; }

py::array array_from(py::dtype dtype, int rank, Py_intptr_t* extents, void* data) {
    const auto& numpy = py::detail::npy_api::get();
    constexpr int flags = py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_ | py::detail::npy_api::NPY_ARRAY_ALIGNED_ |
                          py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
    PyObject* array = numpy.PyArray_NewFromDescr_(numpy.PyArray_Type_, dtype.release().ptr(), rank, extents, nullptr, data,
                                                  data ? flags : 0, nullptr);
    if (!array) throw py::error_already_set();
    return py::reinterpret_steal<py::array>(array);
}

}  // namespace

py::array new_array(const Shape& shape, py::dtype dtype) {
    Py_intptr_t extents[Shape::most];
    int64_t bytes = dtype.itemsize();
    bool counted = true;  // else NumPy says so
    for (size_t i = 0; i < shape.size(); ++i) {
        extents[i] = shape[i];
        counted &= !__builtin_mul_overflow(bytes, shape[i], &bytes);
    }
    if (!counted || bytes < worth_aligning) return array_from(std::move(dtype), int(shape.size()), extents, nullptr);
    const int64_t aligned_to = alignment_of(bytes);
    Py_intptr_t with_margin = bytes + aligned_to;
    py::array memory = array_from(py::dtype::of<uint8_t>(), 1, &with_margin, nullptr);
    const auto begin = reinterpret_cast<int64_t>(memory.mutable_data());
    py::array result =
        array_from(std::move(dtype), int(shape.size()), extents, reinterpret_cast<void*>(round_up(begin, aligned_to)));
    if (py::detail::npy_api::get().PyArray_SetBaseObject_(result.ptr(), memory.release().ptr()) != 0)
        throw py::error_already_set();
    return result;
}

namespace {

// The lowest and one past the highest address of an array's elements.
std::pair<const char*, const char*> extent(const py::array& a) {
    const char* low = static_cast<const char*>(a.data());
    const char* high = low + a.itemsize();
    for (py::ssize_t i = 0; i < a.ndim(); ++i) (a.strides(i) < 0 ? low : high) += (a.shape(i) - 1) * a.strides(i);
    return {low, high};
}

bool overlap(const py::array& a, const py::array& b) {
    if (a.size() == 0 || b.size() == 0) return false;
    const auto x = extent(a), y = extent(b);
    return x.first < y.second && y.first < x.second;
}

}  // namespace

void check_shape(const py::array& a, const char* name, const Shape& expected, const char* of, py::handle value) {
    if (shape_of(a) != expected)
        throw py::value_error(std::string(name) + ": shape " + to_string(shape_of(a)) + ", expected " + to_string(expected) +
                              " for " + of + "=" + py::repr(value).cast<std::string>());
}

namespace {

std::string type_text(const py::dtype& t) {
    return (t.kind() == 'V' ? py::str(t) : t.attr("str").cast<py::str>()).cast<std::string>();
}

py::array output_array(py::handle out, const Shape& shape, DType dtype, std::initializer_list<Input> inputs) {
    const auto type = [&] { return is_half(dtype) ? native_dtype(*inputs.begin()->array) : numpy_dtype(dtype); };
    if (out.is_none()) return new_array(shape, type());
    if (!py::isinstance<py::array>(out)) type_error("out", out, "an ndarray or None");
    const auto a = py::reinterpret_borrow<py::array>(out);
    const std::string name = "out: ";
    if (!is_native(a, dtype) && !a.dtype().equal(type()))
        throw py::type_error(name + "dtype " + type_text(a.dtype()) + ", expected native " + to_string(dtype));
    if (shape_of(a) != shape)
        throw py::value_error(name + "shape " + to_string(shape_of(a)) + ", expected " + to_string(shape));
    if (!a.writeable()) throw py::value_error(name + "the array is read-only, expected one that can be written to");
    if (!is_plain(a)) {
        const Shape strides(a.strides(), a.strides() + a.ndim());
        throw py::value_error(name + "strides " + to_string(strides) + ", expected a C-contiguous, aligned array");
    }
    for (const auto& input : inputs)
        if (input.array && overlap(a, *input.array))
            throw py::value_error(name + "the array overlaps " + input.name + ", expected memory of its own");
    return a;
}

}  // namespace

Result::Result(py::handle out, const Shape& shape, DType dtype, std::initializer_list<Input> inputs)
    : array_(output_array(out, shape, dtype, inputs)), dtype_(dtype) {}

void Result::round() {
    void* to = array_.mutable_data();
    compute(double(array_.size()),
            [&] { narrow(dtype_, reinterpret_cast<const float*>(wide_->data()), array_.size(), to); });
}

void compute_unlocked(double operations, const std::function<void()>& f) {
    constexpr double worth_interrupting = 1e8;
    try {
        const py::gil_scoped_release release;
        if (operations < worth_interrupting) return f();
        const InterruptCheck check([] {
            const py::gil_scoped_acquire acquire;
            return PyErr_CheckSignals() != 0;
        });
        f();
    } catch (const Interrupted&) {
        throw py::error_already_set();
    }
}

}  // namespace fastconv
