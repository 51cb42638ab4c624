// Gradients of average pooling: sliding and adaptive windows.
#include "../windows.hpp"
#include "function.hpp"
#include "pooling.hpp"

namespace fastconv {
namespace {

py::object run(const Problem& p, const std::array<PoolTable, 3>& windows, const py::array& gradient, bool batched,
               py::handle out) {
    Result to(out, without_batch(p.input_shape(), batched), p.dtype, {{"grad_output", &gradient}});
    const py::array from = native(gradient, p.dtype);
    void* data = to.data();
    compute(p.operations(), [&] { run_average_gradient(p, windows, from.data(), data); });
    return to.array();
}

py::object avg_pool_gradient(py::handle rank, py::handle grad_output, py::handle input_size, py::handle kernel_size,
                             py::handle stride, py::handle padding, py::handle ceil_mode, py::handle count_include_pad,
                             py::handle divisor_override, py::handle layout, py::handle out) {
    const py::array gradient = array_of(grad_output, "grad_output");
    const DType dtype = dtype_of(gradient, "grad_output");
    bool batched;
    Problem p = sliding_problem(rank, Op::avg_pool, input_size_of(input_size, rank), kernel_size, stride, padding,
                                py::int_(1), ceil_mode, layout, batched);
    p.dtype = dtype;
    set_divisor(p, count_include_pad, divisor_override);
    check_shape(gradient, "grad_output", without_batch(p.output_shape(), batched), "input_size", input_size);
    return run(p, sliding_tables(p), gradient, batched, out);
}

py::object adaptive_avg_pool_gradient(py::handle rank, py::handle grad_output, py::handle input_size, py::handle layout,
                                      py::handle out) {
    const py::array gradient = array_of(grad_output, "grad_output");
    Problem p;
    p.op = Op::avg_pool;
    p.rank = rank_of(rank);
    p.layout = layout_of(layout, p.rank);
    p.dtype = dtype_of(gradient, "grad_output");
    Problem pooled = p;
    const bool batched = apply_input_shape(p, input_size_of(input_size, rank), "input_size");
    apply_input_shape(pooled, shape_of(gradient), "grad_output");
    p.oc = p.ic;
    p.output = pooled.output = pooled.input;
    check_shape(gradient, "grad_output", without_batch(p.output_shape(), batched), "input_size", input_size);
    if (!addressable(p.input_shape(), p.computed_size()))
        value_error("input_size", input_size, "a size that fits into 64 bits");
    for (size_t i = 0; i < 3; ++i) {
        if (p.input[i] == 0 && p.output[i] > 0)
            value_error("input_size", input_size,
                        "axes that are not empty for grad_output of shape " + to_string(shape_of(gradient)));
        if (p.output[i] > 0) p.kernel[i] = (p.input[i] + p.output[i] - 1) / p.output[i];  // for the amount of work
    }
    return run(p, adaptive_tables(p), gradient, batched, out);
}

}  // namespace

void register_pool_gradient(py::module_& m) {
    define<&avg_pool_gradient>(m, "avg_pool_gradient");
    define<&adaptive_avg_pool_gradient>(m, "adaptive_avg_pool_gradient");
}

}  // namespace fastconv
