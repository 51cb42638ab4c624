// Pooling: sliding and adaptive windows.
#include <optional>

#include "../recent.hpp"
#include "function.hpp"
#include "plan_key.hpp"
#include "pooling.hpp"

namespace fastconv {

Problem sliding_problem(py::handle rank, Op op, const Shape& input, py::handle kernel_size, py::handle stride,
                        py::handle padding, py::handle dilation, py::handle ceil_mode, py::handle layout, bool& batched) {
    Problem p;
    p.op = op;
    p.rank = rank_of(rank);
    p.layout = layout_of(layout, p.rank);
    p.kernel = positive_axes(kernel_size, p.rank, "kernel_size");
    p.stride = stride.is_none() ? p.kernel : positive_axes(stride, p.rank, "stride");
    p.dilation = positive_axes(dilation, p.rank, "dilation");
    p.ceil_mode = boolean(ceil_mode, "ceil_mode");
    const Padding pad = padding_of(padding, p.rank);
    if (!pad.same)
        for (size_t i = size_t(3 - p.rank); i < 3; ++i)
            // A window deeper in the padding than that might see no input at all.
            if (pad.before[i] > p.kernel[i] / 2 || pad.after[i] > p.kernel[i] / 2)
                value_error("padding", padding, "at most half of kernel_size=" + py::repr(kernel_size).cast<std::string>());
    batched = apply_input_shape(p, input);
    p.oc = p.ic;
    pad.apply(p);
    complete(p);
    return p;
}

void set_divisor(Problem& p, py::handle count_include_pad, py::handle divisor_override) {
    p.count_include_pad = boolean(count_include_pad, "count_include_pad");
    if (divisor_override.is_none()) return;
    p.divisor_override = integer(divisor_override, "divisor_override");
    if (p.divisor_override == 0) value_error("divisor_override", divisor_override, "an integer other than 0");
}

std::array<PoolTable, 3> sliding_tables(const Problem& p) {
    return {sliding_windows(p, 0), sliding_windows(p, 1), sliding_windows(p, 2)};
}

std::array<PoolTable, 3> adaptive_tables(const Problem& p) {
    std::array<PoolTable, 3> tables;
    if (p.output_pixels() > 0)
        for (size_t i = 0; i < 3; ++i) tables[i] = adaptive_windows(p.input[i], p.output[i]);
    return tables;
}

namespace {

Op op_of(py::handle kind) {
    const std::string_view name = text(kind, "kind");
    if (name != "max" && name != "avg") value_error("kind", kind, "'max' or 'avg'");
    return name == "max" ? Op::max_pool : Op::avg_pool;
}

std::shared_ptr<const PoolPlan> plan_of(const PlanKey& key) {
    static Recent<PlanKey, PoolPlan> recent;
    const auto make = [&] {
        const Problem& p = key.problem;
        return std::make_shared<const PoolPlan>(p, key.method == "adaptive" ? adaptive_tables(p) : sliding_tables(p),
                                                *key.isa, key.threads);
    };
    return key.worth_remembering() ? recent.get(key, make) : make();
}

// Pools checked arguments, windows being "sliding" or "adaptive"; returns the values, or (values, indices).
py::object run(const Problem& p, const char* windows, const py::array& x, bool batched, py::handle out) {
    const Shape shape = without_batch(p.output_shape(), batched);
    Result y(out, shape, p.dtype, {{"input", &x}});
    std::optional<py::array> indices;
    if (p.indices) indices = new_array(shape, py::dtype::of<int64_t>());
    const py::array x_native = native(x, p.dtype);
    void* y_data = y.data();
    auto* index_data = indices ? static_cast<int64_t*>(indices->mutable_data()) : nullptr;
    const auto plan = plan_of({p, windows});
    compute(p.operations(), [&] { plan->run(x_native.data(), y_data, index_data); });
    return indices ? py::object(py::make_tuple(y.array(), *indices)) : py::object(y.array());
}

py::object pool(py::handle rank, py::handle kind, py::handle input, py::handle kernel_size, py::handle stride,
                py::handle padding, py::handle dilation, py::handle ceil_mode, py::handle count_include_pad,
                py::handle divisor_override, py::handle return_indices, py::handle layout, py::handle out) {
    const py::array x = array_of(input, "input");
    if (is_integer_or_complex(x))
        return computed_by_floats("pool", rank, kind, x, kernel_size, stride, padding, dilation, ceil_mode,
                                  count_include_pad, divisor_override, return_indices, layout, out);
    const DType dtype = dtype_of(x, "input");
    bool batched;
    Problem p =
        sliding_problem(rank, op_of(kind), shape_of(x), kernel_size, stride, padding, dilation, ceil_mode, layout, batched);
    p.dtype = dtype;
    set_divisor(p, count_include_pad, divisor_override);
    p.indices = boolean(return_indices, "return_indices");
    return run(p, "sliding", x, batched, out);
}

// One extent for all axes or one for each; None keeps the input's.
Axes output_size_of(py::handle value, const Problem& p) {
    const auto kept = [&](py::handle item, size_t axis) {
        if (item.is_none()) return p.input[axis];
        const int64_t n = integer(item, "output_size");
        if (n < 0) value_error("output_size", value, "extents that are not negative");
        return n;
    };
    Axes size{1, 1, 1};
    const bool sequence = PySequence_Check(value.ptr()) && !py::isinstance<py::str>(value);
    const auto rank = size_t(p.rank);
    if (sequence && py::len(value) != rank)
        value_error("output_size", value, "an integer, None or a sequence of " + std::to_string(rank) + " of them");
    for (size_t i = 3 - rank; i < 3; ++i)
        size[i] = sequence ? kept(py::reinterpret_borrow<py::sequence>(value)[i - (3 - rank)], i) : kept(value, i);
    return size;
}

py::object adaptive_pool(py::handle rank, py::handle kind, py::handle input, py::handle output_size,
                         py::handle return_indices, py::handle layout, py::handle out) {
    const py::array x = array_of(input, "input");
    if (is_integer_or_complex(x))
        return computed_by_floats("adaptive_pool", rank, kind, x, output_size, return_indices, layout, out);
    Problem p;
    p.op = op_of(kind);
    p.rank = rank_of(rank);
    p.layout = layout_of(layout, p.rank);
    p.dtype = dtype_of(x, "input");
    p.indices = boolean(return_indices, "return_indices");
    const bool batched = apply_input_shape(p, shape_of(x));
    p.oc = p.ic;
    p.output = output_size_of(output_size, p);
    if (!addressable(p.output_shape(), sizeof(int64_t)))
        value_error("output_size", output_size, "a result whose size fits into 64 bits");
    for (size_t i = 0; i < 3; ++i) {
        if (p.input[i] == 0 && p.output[i] > 0)
            throw py::value_error(
                "input: shape " + to_string(shape_of(x)) +
                ", expected axes that are not empty for output_size=" + py::repr(output_size).cast<std::string>());
        if (p.output[i] > 0) p.kernel[i] = (p.input[i] + p.output[i] - 1) / p.output[i];  // for the amount of work
    }
    return run(p, "adaptive", x, batched, out);
}

}  // namespace

void register_pool(py::module_& m) {
    define<&pool>(m, "pool");
    define<&adaptive_pool>(m, "adaptive_pool");
    m.def("pool_output_shape", [](py::handle rank, py::handle input_shape, py::handle kernel_size, py::handle stride,
                                  py::handle padding, py::handle dilation, py::handle ceil_mode, py::handle layout) {
        bool batched;
        const Problem p = sliding_problem(rank, Op::max_pool, shape(input_shape, "input"), kernel_size, stride, padding,
                                          dilation, ceil_mode, layout, batched);
        return to_tuple(without_batch(p.output_shape(), batched));
    });
}

}  // namespace fastconv
