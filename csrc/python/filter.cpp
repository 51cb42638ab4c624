// Filters of arrays. fastconv.ndimage and fastconv.signal check and word their users' arguments; what comes here is checked
// only as far as memory is concerned.
#include "../filter.hpp"

#include "arguments.hpp"
#include "function.hpp"

namespace fastconv {
namespace {

ElementType element_type(const py::array& a, const char* name) {
    const py::dtype t = a.dtype();
    const std::string_view kinds = "fiu";
    constexpr ElementType types[3][4] = {{{}, {}, ElementType::f32, ElementType::f64},
                                         {ElementType::i8, ElementType::i16, ElementType::i32, ElementType::i64},
                                         {ElementType::u8, ElementType::u16, ElementType::u32, ElementType::u64}};
    const size_t kind = kinds.find(t.kind()), bytes = size_t(t.itemsize());
    const size_t log2 = bytes == 1 ? 0 : bytes == 2 ? 1 : bytes == 4 ? 2 : bytes == 8 ? 3 : 4;
    if (kind == std::string_view::npos || log2 > 3 || (kind == 0 && log2 < 2))
        throw py::type_error(std::string(name) + ": dtype " + py::str(t).cast<std::string>() +
                             ", expected float32, float64 or integers");
    return types[kind][log2];
}

py::array plain_array(py::handle value, const char* name) {
    const auto a = py::reinterpret_borrow<py::array>(value);
    constexpr int wanted = py::detail::npy_api::NPY_ARRAY_C_CONTIGUOUS_ | py::detail::npy_api::NPY_ARRAY_ALIGNED_;
    if (!py::isinstance<py::array>(value) || (a.flags() & wanted) != wanted || !a.dtype().attr("isnative").cast<bool>())
        throw py::type_error(std::string(name) + ": expected a contiguous, native array");
    return a;
}

FilterWeights weights_of(const py::array& a) {
    const size_t n = size_t(a.size());
    if (element_type(a, "weights") == ElementType::i64) {
        const auto* p = static_cast<const int64_t*>(a.data());
        return std::vector<int64_t>(p, p + n);
    }
    if (element_type(a, "weights") != ElementType::f64) throw py::type_error("weights: expected float64 or int64");
    const auto* p = static_cast<const double*>(a.data());
    return std::vector<double>(p, p + n);
}

FilterWindow window_of(int64_t taps, py::handle before, py::handle boundary) {
    const int64_t mode = integer(boundary, "boundary");
    if (taps < 1 || mode < 0 || mode > int64_t(Boundary::wrap)) throw py::value_error("windows: not one of a filter");
    return {taps, integer(before, "before"), Boundary(mode)};
}

FilterArrays arrays_of(const py::array& x, const py::array& y, py::handle outside) {
    if (!y.writeable()) throw py::value_error("output: not writeable");
    return {shape_of(x), shape_of(y), element_type(x, "input"), element_type(y, "output"), real(outside, "cval")};
}

py::object run(const FilterPlan& plan, const py::array& x, const py::array& y) {
    void* to = const_cast<void*>(y.data());
    compute(plan.operations(), [&] { plan.run(x.data(), to); });
    return py::none();
}

FilterOp op_of(py::handle value) {
    const std::string_view name = text(value, "op");
    return name == "minimum"   ? FilterOp::minimum
           : name == "maximum" ? FilterOp::maximum
           : name == "mean"    ? FilterOp::mean
                               : FilterOp::weighted;
}

// op: "weighted", or "minimum" or "maximum" of the taps whose weight is not zero; windows: (before, boundary) of each axis.
py::object filter(py::handle op, py::handle input, py::handle output, py::handle weights, py::handle windows,
                  py::handle outside) {
    const py::array x = plain_array(input, "input"), y = plain_array(output, "output"), w = plain_array(weights, "weights");
    const FilterArrays arrays = arrays_of(x, y, outside);
    const auto each = py::reinterpret_borrow<py::sequence>(windows);
    if (x.ndim() != w.ndim() || x.ndim() != y.ndim() || py::len(each) != size_t(x.ndim()))
        throw py::value_error("windows: expected one for each axis");
    std::vector<FilterWindow> all;
    for (py::ssize_t i = 0; i < x.ndim(); ++i) {
        const auto window = py::reinterpret_borrow<py::sequence>(each[size_t(i)]);
        all.push_back(window_of(w.shape(i), window[0], window[1]));
        if (x.shape(i) == 0 && y.size() > 0) throw py::value_error("input: expected axes that are not empty");
    }
    return run(FilterPlan(arrays, op_of(op), all, weights_of(w), current_isa(), get_num_threads()), x, y);
}

// op: "weighted", or "minimum", "maximum" or "mean" of boxes; filters: (axis, weights or taps, before, boundary), axes
// ascending.
py::object filter_axes(py::handle op, py::handle input, py::handle output, py::handle filters, py::handle outside) {
    const py::array x = plain_array(input, "input"), y = plain_array(output, "output");
    const FilterArrays arrays = arrays_of(x, y, outside);
    if (arrays.input != arrays.output) throw py::value_error("output: expected the shape of input");
    std::vector<AxisFilter> all;
    int64_t last = -1;
    for (const py::handle item : py::reinterpret_borrow<py::sequence>(filters)) {
        const auto filter = py::reinterpret_borrow<py::sequence>(item);
        const int64_t axis = integer(filter[0], "axis");
        if (axis <= last || axis >= x.ndim()) throw py::value_error("filters: expected ascending axes");
        last = axis;
        AxisFilter f{size_t(axis), {}, {}};
        const py::object taps = filter[1];
        if (op_of(op) == FilterOp::weighted) {
            const py::array w = plain_array(taps, "weights");
            f.window = window_of(w.size(), filter[2], filter[3]);
            f.weights = weights_of(w);
            if (!std::holds_alternative<std::vector<double>>(f.weights)) throw py::type_error("weights: expected float64");
        } else {
            f.window = window_of(integer(taps, "size"), filter[2], filter[3]);
        }
        all.push_back(std::move(f));
    }
    return run(FilterPlan(arrays, op_of(op), all, current_isa(), get_num_threads()), x, y);
}

}  // namespace

void register_filter(py::module_& m) {
    define<&filter>(m, "filter");
    define<&filter_axes>(m, "filter_axes");
}

}  // namespace fastconv
