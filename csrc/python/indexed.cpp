// What maximum pooling's indices are for: its gradient, unpooling and the gradient of that.
#include "../windows.hpp"
#include "arguments.hpp"
#include "function.hpp"

namespace fastconv {
namespace {

// Images of this layout and shape.
Problem images_of(py::handle rank, py::handle layout, const Shape& shape, const char* name, bool& batched) {
    Problem p;
    p.rank = rank_of(rank);
    p.layout = layout_of(layout, p.rank);
    batched = apply_input_shape(p, shape, name);
    return p;
}

py::array indices_of(py::handle value, const Shape& expected, const char* of) {
    const py::array a = array_of(value, "indices");
    const py::dtype t = a.dtype();
    if (t.kind() != 'i' || t.itemsize() != sizeof(int64_t))
        throw py::type_error("indices: dtype " + py::str(t).cast<std::string>() + ", expected int64");
    if (shape_of(a) != expected)
        throw py::value_error("indices: shape " + to_string(shape_of(a)) + ", expected " + to_string(expected) + " as " +
                              of);
    py::array native = py::array_t<int64_t, py::array::c_style | py::array::forcecast>::ensure(a);
    if (!native) throw py::error_already_set();
    return native;
}

// Fails, naming the index, if there is one at `at`.
void check_index(const py::array& indices, int64_t at, int64_t low, const Problem& images) {
    if (at == indices.size()) return;
    std::string place;
    int64_t rest = at;
    for (py::ssize_t i = indices.ndim(); i-- > 0; rest /= indices.shape(i))
        place = std::to_string(rest % indices.shape(i)) + (place.empty() ? "" : ", ") + place;
    const Shape size(images.input.end() - images.rank, images.input.end());
    throw py::value_error("indices[" + place + "]=" + std::to_string(static_cast<const int64_t*>(indices.data())[at]) +
                          ": expected " + (low < 0 ? "-1 or " : "") + "0 <= index < " +
                          std::to_string(images.input_pixels()) + ", a position in an image of " + to_string(size));
}

// Moves between the small images, whose elements have an index of at least `low`, and the large ones; the result is of
// either kind.
py::object run(IndexedMove move, const Problem& small, const Problem& large, int64_t low, const py::array& values,
               const char* name, const py::array& indices, const Shape& result, py::handle out) {
    const DType dtype = dtype_of(values, name);
    const bool first = small.layout == Layout::channels_first;
    const IndexedPlanes planes{dtype, first ? small.n * small.ic : small.n, small.input_pixels(), large.input_pixels(),
                               first ? 1 : small.ic};
    const double elements = double(small.n) * double(small.ic) * double(small.input_pixels() + large.input_pixels());
    const auto* where = static_cast<const int64_t*>(indices.data());
    Result to(out, result, dtype, {{name, &values}, {"indices", &indices}});
    int64_t wrong = indices.size();
    if (!out.is_none()) {  // which stays as it is, if an index is wrong
        compute(elements, [&] { wrong = find_outside(planes, low, where); });
        check_index(indices, wrong, low, large);
    }
    const py::array from = native(values, dtype);
    void* data = to.data();
    compute(elements, [&] { wrong = run_indexed(move, planes, low, from.data(), where, data); });
    check_index(indices, wrong, low, large);
    return to.array();
}

Shape shape_of_images(const Problem& p, bool batched) { return without_batch(p.input_shape(), batched); }

py::object max_pool_gradient(py::handle rank, py::handle grad_output, py::handle indices, py::handle input_size,
                             py::handle layout, py::handle out) {
    const py::array gradient = array_of(grad_output, "grad_output");
    dtype_of(gradient, "grad_output");
    bool batched, of_gradient;
    const Problem large = images_of(rank, layout, input_size_of(input_size, rank), "input_size", batched);
    const Problem small = images_of(rank, layout, shape_of(gradient), "grad_output", of_gradient);
    Problem expected = large;
    expected.input = small.input;
    check_shape(gradient, "grad_output", shape_of_images(expected, batched), "input_size", input_size);
    if (!addressable(large.input_shape(), sizeof(int64_t)))
        value_error("input_size", input_size, "a size that fits into 64 bits");
    const py::array where = indices_of(indices, shape_of(gradient), "grad_output");
    return run(IndexedMove::scatter_add, small, large, -1, gradient, "grad_output", where, shape_of_images(large, batched),
               out);
}

// The extents of what was pooled: as large as windows that just fit, or what the caller says, if such windows fit that.
Axes unpooled_size(const Problem& p, py::handle output_size) {
    const size_t rank = size_t(p.rank);
    Axes least{1, 1, 1}, size{1, 1, 1};
    for (size_t i = 3 - rank; i < 3; ++i) {
        const auto steps = product(p.input[i] - 1, p.stride[i]);
        int64_t with_window;
        if (!steps || __builtin_add_overflow(*steps, p.kernel[i] - 2 * p.before[i], &with_window))
            throw py::value_error("stride: " + std::to_string(p.stride[i]) + ", expected sizes that fit into 64 bits");
        least[i] = size[i] = with_window;
    }
    if (output_size.is_none()) return size;
    const Shape asked = shape(output_size, "output_size");
    if (asked.size() != rank && asked.size() != rank + 2 && asked.size() != rank + 1)
        value_error("output_size", output_size, std::to_string(rank) + " extents, or the shape of the result");
    const size_t first = asked.size() == rank                 ? 0
                         : p.layout == Layout::channels_first ? asked.size() - rank
                                                              : asked.size() - rank - 1;
    for (size_t i = 3 - rank; i < 3; ++i) {
        size[i] = asked[first + i - (3 - rank)];
        if (size[i] <= least[i] - p.stride[i] || size[i] >= least[i] + p.stride[i])
            value_error("output_size", output_size,
                        "extents nearer than the stride to " + to_string(Shape(least.end() - rank, least.end())));
    }
    return size;
}

py::object max_unpool(py::handle rank, py::handle input, py::handle indices, py::handle kernel_size, py::handle stride,
                      py::handle padding, py::handle output_size, py::handle layout, py::handle out) {
    const py::array x = array_of(input, "input");
    dtype_of(x, "input");
    bool batched;
    Problem small = images_of(rank, layout, shape_of(x), "input", batched);
    small.kernel = positive_axes(kernel_size, small.rank, "kernel_size");
    small.stride = stride.is_none() ? small.kernel : positive_axes(stride, small.rank, "stride");
    const Axes before = axes(padding, small.rank, "padding");
    for (size_t i = size_t(3 - small.rank); i < 3; ++i) {
        if (before[i] < 0 || before[i] > small.kernel[i] / 2)
            value_error("padding", padding, "at most half of kernel_size=" + py::repr(kernel_size).cast<std::string>());
        small.before[i] = before[i];
        if (small.input[i] < 1)
            throw py::value_error("input: shape " + to_string(shape_of(x)) + ", expected spatial axes that are not empty");
    }
    Problem large = small;
    large.input = unpooled_size(small, output_size);
    for (const int64_t extent : large.input)
        if (extent < 1) value_error("padding", padding, "windows larger than it: the result would have no elements");
    if (!addressable(large.input_shape(), sizeof(int64_t)))
        value_error("kernel_size", kernel_size, "a result whose size fits into 64 bits");
    const py::array where = indices_of(indices, shape_of(x), "input");
    return run(IndexedMove::scatter, small, large, 0, x, "input", where, shape_of_images(large, batched), out);
}

py::object max_unpool_gradient(py::handle rank, py::handle grad_output, py::handle indices, py::handle layout,
                               py::handle out) {
    const py::array gradient = array_of(grad_output, "grad_output"), given = array_of(indices, "indices");
    dtype_of(gradient, "grad_output");
    bool batched, of_indices;
    const Problem large = images_of(rank, layout, shape_of(gradient), "grad_output", batched);
    const Problem small = images_of(rank, layout, shape_of(given), "indices", of_indices);
    Problem expected = large;
    expected.input = small.input;
    const py::array where = indices_of(given, shape_of_images(expected, batched), "grad_output has images and channels");
    return run(IndexedMove::gather, small, large, 0, gradient, "grad_output", where, shape_of(where), out);
}

}  // namespace

void register_indexed(py::module_& m) {
    define<&max_pool_gradient>(m, "max_pool_gradient");
    define<&max_unpool>(m, "max_unpool");
    define<&max_unpool_gradient>(m, "max_unpool_gradient");
}

}  // namespace fastconv
