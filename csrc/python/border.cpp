// A border around images, and its gradient.
#include "border.hpp"

#include "../windows.hpp"
#include "function.hpp"

namespace fastconv {
namespace {

// Images with the padding of a border.
Problem bordered(py::handle rank, const Shape& input, const char* name, py::handle padding, py::handle mode,
                 py::handle layout, bool& batched) {
    Problem p;
    p.op = Op::max_pool;  // of windows of one pixel: its output is as large as what is padded
    p.rank = rank_of(rank);
    p.layout = layout_of(layout, p.rank);
    p.boundary = padding_mode_of(mode, "mode");
    const Padding pad = padding_of(padding, p.rank);
    if (pad.same) value_error("padding", padding, "numbers of pixels");
    batched = apply_input_shape(p, input, name);
    p.oc = p.ic;
    pad.apply(p);
    complete(p);
    return p;
}

py::object pad(py::handle rank, py::handle input, py::handle padding, py::handle mode, py::handle layout, py::handle out) {
    const py::array x = array_of(input, "input");
    const DType dtype = dtype_of(x, "input");
    bool batched;
    Problem p = bordered(rank, shape_of(x), "input", padding, mode, layout, batched);
    p.dtype = dtype;
    Result y(out, without_batch(p.output_shape(), batched), dtype, {{"input", &x}});
    const py::array from = native(x, dtype);
    void* to = y.data();
    compute(double(y.size()), [&] { Border(p, current_isa(), get_num_threads()).pad(p.n, from.data(), to); });
    return y.array();
}

py::object pad_gradient(py::handle rank, py::handle grad_output, py::handle input_size, py::handle padding, py::handle mode,
                        py::handle layout, py::handle out) {
    const py::array gradient = array_of(grad_output, "grad_output");
    const DType dtype = dtype_of(gradient, "grad_output");
    bool batched;
    Problem p = bordered(rank, input_size_of(input_size, rank), "input_size", padding, mode, layout, batched);
    p.dtype = dtype;
    check_shape(gradient, "grad_output", without_batch(p.output_shape(), batched), "input_size", input_size);
    Result to(out, without_batch(p.input_shape(), batched), dtype, {{"grad_output", &gradient}});
    const py::array from = native(gradient, dtype);
    void* data = to.data();
    compute(double(gradient.size()), [&] { Border(p, current_isa(), get_num_threads()).add_back(p.n, from.data(), data); });
    return to.array();
}

}  // namespace

Boundary padding_mode_of(py::handle value, const char* name) {
    const auto mode = padding_mode_named(std::string(text(value, name)));
    if (!mode) value_error(name, value, "'zeros', 'reflect', 'replicate', 'circular' or 'symmetric'");
    return *mode;
}

void register_border(py::module_& m) {
    define<&pad>(m, "pad");
    define<&pad_gradient>(m, "pad_gradient");
}

}  // namespace fastconv
