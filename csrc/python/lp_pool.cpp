// Pooling by the norm of windows, and its gradient: powers of elements before and after sums over windows.
#include <cmath>
#include <cstring>

#include "../windows.hpp"
#include "function.hpp"
#include "pooling.hpp"

namespace fastconv {
namespace {

double norm_of(py::handle value) {
    const double p = real(value, "norm_type");
    if (!(p > 0 && std::isfinite(p))) value_error("norm_type", value, "a finite number above 0");
    return p;
}

Problem sums_of_windows(py::handle rank, const py::array& x, py::handle kernel_size, py::handle stride, py::handle padding,
                        py::handle ceil_mode, py::handle layout, bool& batched) {
    const DType dtype = dtype_of(x, "input");
    Problem p = sliding_problem(rank, Op::avg_pool, shape_of(x), kernel_size, stride, padding, py::int_(1), ceil_mode,
                                layout, batched);
    p.dtype = dtype;
    p.divisor_override = 1;
    return p;
}

py::object lp_pool(py::handle rank, py::handle input, py::handle norm_type, py::handle kernel_size, py::handle stride,
                   py::handle padding, py::handle ceil_mode, py::handle layout, py::handle out) {
    const py::array x = array_of(input, "input");
    const double norm = norm_of(norm_type);
    bool batched;
    const Problem p = sums_of_windows(rank, x, kernel_size, stride, padding, ceil_mode, layout, batched);
    Result y(out, without_batch(p.output_shape(), batched), p.dtype, {{"input", &x}});
    const py::array x_native = native(x, p.dtype);
    void* to = y.data();
    compute(p.operations(), [&] {
        const Workspace powers(x_native.nbytes());
        run_power(PowerOp::power, p.dtype, x_native.data(), powers.data(), x_native.size(), norm);
        PoolPlan(p, sliding_tables(p), current_isa(), get_num_threads()).run(powers.data(), to, nullptr);
        if (norm != 1) run_power(PowerOp::power, p.dtype, to, to, y.size(), 1 / norm);
    });
    return y.array();
}

// With y the result: dy[o] / dx[i] = sign(x[i]) |x[i]|^(p - 1) / y[o]^(p - 1) where the window of o covers i.
py::object lp_pool_gradient(py::handle rank, py::handle grad_output, py::handle input, py::handle output,
                            py::handle norm_type, py::handle kernel_size, py::handle stride, py::handle padding,
                            py::handle ceil_mode, py::handle layout, py::handle out) {
    const py::array gradient = array_of(grad_output, "grad_output"), x = array_of(input, "input");
    const py::array y = array_of(output, "output");
    const double norm = norm_of(norm_type);
    bool batched;
    const Problem p = sums_of_windows(rank, x, kernel_size, stride, padding, ceil_mode, layout, batched);
    check_dtype(gradient, "grad_output", p.dtype, "input");
    check_dtype(y, "output", p.dtype, "input");
    const Shape shape = without_batch(p.output_shape(), batched);
    const py::tuple input_shape = to_tuple(shape_of(x));
    check_shape(gradient, "grad_output", shape, "input of shape", input_shape);
    check_shape(y, "output", shape, "input of shape", input_shape);
    Result to(out, shape_of(x), p.dtype, {{"grad_output", &gradient}, {"input", &x}, {"output", &y}});
    const py::array g_native = native(gradient, p.dtype), x_native = native(x, p.dtype), y_native = native(y, p.dtype);
    void* data = to.data();
    compute(p.operations(), [&] {
        const Workspace shares(g_native.nbytes());
        std::memcpy(shares.data(), g_native.data(), size_t(g_native.nbytes()));
        run_power(PowerOp::divide, p.dtype, y_native.data(), shares.data(), y_native.size(), norm - 1);
        run_average_gradient(p, sliding_tables(p), shares.data(), data);
        run_power(PowerOp::multiply, p.dtype, x_native.data(), data, x_native.size(), norm - 1);
    });
    return to.array();
}

}  // namespace

void register_lp_pool(py::module_& m) {
    define<&lp_pool>(m, "lp_pool");
    define<&lp_pool_gradient>(m, "lp_pool_gradient");
}

}  // namespace fastconv
