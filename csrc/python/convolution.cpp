#include "convolution.hpp"

#include <algorithm>

namespace fastconv {

Problem Convolution::on(const Shape& input, bool& batched, const char* name) const {
    Problem p = problem;
    batched = apply_input_shape(p, input, name);
    if (p.ic != problem.ic)
        throw py::value_error(std::string(name) + ": shape " + to_string(input) + " has " + std::to_string(p.ic) +
                              " channels, expected " + std::to_string(problem.ic) + " for weight of shape " +
                              to_string(problem.weight_shape()) + " with groups=" + std::to_string(problem.groups));
    padding.apply(p);
    return p;
}

Problem Convolution::complete_on(const Shape& input, bool& batched, const char* name) const {
    Problem p = on(input, batched, name);
    complete(p);
    return p;
}

Convolution convolution(py::handle rank, const Shape& weight, py::handle stride, py::handle padding, py::handle dilation,
                        py::handle groups, py::handle layout, const char* weight_name) {
    Convolution c;
    Problem& p = c.problem;
    p.rank = rank_of(rank);
    p.layout = layout_of(layout, p.rank);
    p.groups = positive_integer(groups, "groups");
    p.stride = positive_axes(stride, p.rank, "stride");
    p.dilation = positive_axes(dilation, p.rank, "dilation");
    c.padding = padding_of(padding, p.rank);

    const size_t r = size_t(p.rank);
    if (weight.size() != r + 2)
        throw py::value_error(
            std::string(weight_name) + ": shape " + to_string(weight) + ", expected " + std::to_string(r + 2) + " axes, " +
            (p.layout == Layout::channels_first ? "(oc, ic / groups, *kernel)" : "(*kernel, ic / groups, oc)"));
    const bool first = p.layout == Layout::channels_first;
    p.oc = first ? weight[0] : weight[r + 1];
    const auto channels = product(first ? weight[1] : weight[r], p.groups);
    if (!channels) value_error("groups", groups, "groups of channels whose number fits into 64 bits");
    p.ic = *channels;
    std::copy_n(weight.begin() + (first ? 2 : 0), r, p.kernel.end() - p.rank);
    for (size_t i = 0; i < r; ++i)
        if (p.kernel[3 - r + i] < 1)
            throw py::value_error(std::string(weight_name) + ": shape " + to_string(weight) +
                                  ", expected a kernel of positive extents");
    if (p.oc % p.groups)
        value_error("groups", groups, "a divisor of the " + std::to_string(p.oc) + " output channels of " + weight_name);
    return c;
}

std::optional<py::array> bias_of(py::handle value, const Problem& p, int64_t channels) {
    if (value.is_none()) return std::nullopt;
    py::array bias = array_of(value, "bias");
    check_dtype(bias, "bias", p.dtype, "weight");
    if (shape_of(bias) != Shape{channels})
        throw py::value_error("bias: shape " + to_string(shape_of(bias)) + ", expected " + to_string(Shape{channels}) +
                              " for weight of shape " + to_string(p.weight_shape()));
    return bias;
}

}  // namespace fastconv
