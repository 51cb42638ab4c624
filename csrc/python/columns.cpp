// The columns of an image's windows, and their sum back into an image.
#include "../windows.hpp"
#include "arguments.hpp"
#include "function.hpp"

namespace fastconv {
namespace {

// Windows on images; their element type and, of fold, batch and channels are still to come.
Problem windows_of(py::handle kernel_size, py::handle dilation, py::handle padding, py::handle stride, py::handle layout,
                   Padding& pad) {
    Problem p;
    p.op = Op::max_pool;  // as far as shapes go
    p.layout = layout_of(layout, p.rank);
    p.kernel = positive_axes(kernel_size, p.rank, "kernel_size");
    p.dilation = positive_axes(dilation, p.rank, "dilation");
    p.stride = positive_axes(stride, p.rank, "stride");
    pad = padding_of(padding, p.rank);
    return p;
}

Shape columns_shape(const Problem& p, int64_t elements) {
    return p.layout == Layout::channels_first ? Shape{p.n, elements, p.output_pixels()}
                                              : Shape{p.n, p.output_pixels(), elements};
}

double moved(const Problem& p) { return double(p.n) * double(p.ic) * double(p.output_pixels()) * double(p.taps()); }

py::object unfold(py::handle input, py::handle kernel_size, py::handle dilation, py::handle padding, py::handle stride,
                  py::handle layout, py::handle out) {
    const py::array x = array_of(input, "input");
    const DType dtype = dtype_of(x, "input");
    Padding pad;
    Problem p = windows_of(kernel_size, dilation, padding, stride, layout, pad);
    p.dtype = dtype;
    const bool batched = apply_input_shape(p, shape_of(x));
    p.oc = p.ic;
    pad.apply(p);
    complete(p);
    const auto taps = product(p.kernel[1], p.kernel[2]);
    const auto elements = taps ? product(p.ic, *taps) : std::nullopt;
    if (!elements || !product(p.output[1], p.output[2]) || !addressable(columns_shape(p, *elements), p.computed_size()))
        value_error("kernel_size", kernel_size, "a result whose size fits into 64 bits");
    Result columns(out, without_batch(columns_shape(p, *elements), batched), dtype, {{"input", &x}});
    const py::array from = native(x, dtype);
    void* to = columns.data();
    compute(moved(p), [&] { run_unfold(p, from.data(), to); });
    return columns.array();
}

py::object fold(py::handle input, py::handle output_size, py::handle kernel_size, py::handle dilation, py::handle padding,
                py::handle stride, py::handle layout, py::handle out) {
    const py::array columns = array_of(input, "input");
    const DType dtype = dtype_of(columns, "input");
    Padding pad;
    Problem p = windows_of(kernel_size, dilation, padding, stride, layout, pad);
    p.dtype = dtype;
    p.input = axes(output_size, p.rank, "output_size");
    for (const int64_t extent : p.input)
        if (extent < 0) value_error("output_size", output_size, "extents that are not negative");
    pad.apply(p);
    complete(p);

    const Shape shape = shape_of(columns);
    const bool batched = shape.size() == 3, first = p.layout == Layout::channels_first;
    if (!batched && shape.size() != 2)
        throw py::value_error("input: shape " + to_string(shape) + ", expected 3 axes (or 2 without a batch), " +
                              (first ? "(n, c * kh * kw, windows)" : "(n, windows, kh * kw * c)"));
    p.n = batched ? shape[0] : 1;
    const int64_t elements = shape[size_t(batched) + (first ? 0 : 1)], windows = shape[size_t(batched) + (first ? 1 : 0)];
    if (elements % p.taps() != 0)
        throw py::value_error("input: shape " + to_string(shape) + " has columns of " + std::to_string(elements) +
                              " elements, expected a multiple of " + std::to_string(p.taps()) +
                              " for kernel_size=" + py::repr(kernel_size).cast<std::string>());
    if (windows != p.output_pixels())
        throw py::value_error("input: shape " + to_string(shape) + " has " + std::to_string(windows) +
                              " columns, expected " + std::to_string(p.output_pixels()) + ", windows of " +
                              to_string(Shape{p.output[1], p.output[2]}) +
                              " in output_size=" + py::repr(output_size).cast<std::string>());
    p.ic = p.oc = elements / p.taps();
    if (!addressable(p.input_shape(), p.computed_size()))
        value_error("output_size", output_size, "a result whose size fits into 64 bits");
    Result image(out, without_batch(p.input_shape(), batched), dtype, {{"input", &columns}});
    const py::array from = native(columns, dtype);
    void* to = image.data();
    compute(moved(p), [&] { run_fold(p, from.data(), to); });
    return image.array();
}

}  // namespace

void register_columns(py::module_& m) {
    define<&unfold>(m, "unfold");
    define<&fold>(m, "fold");
}

}  // namespace fastconv
