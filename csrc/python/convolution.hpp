// All that is known of a convolution before its input is, made from the arguments of a call.
#pragma once

#include <optional>
#include <string>

#include "arguments.hpp"

namespace fastconv {

struct Convolution {
    Problem problem;  // without n and extents
    Padding padding;
    std::string algorithm = "auto";

    // The problem on an input of this shape, not complete()d yet.
    Problem on(const Shape& input, bool& batched) const;
    Problem complete_on(const Shape& input, bool& batched) const;
};

Convolution convolution(py::handle rank, const Shape& weight, py::handle stride, py::handle padding, py::handle dilation,
                        py::handle groups, py::handle layout);

// The bias as an array, if it is not None.
std::optional<py::array> bias_of(py::handle value, const Problem&);

}  // namespace fastconv
