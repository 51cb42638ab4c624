// Weights that Python keeps and kernels read as they are.
#include <cstring>
#include <memory>

#include "../weight_memory.hpp"
#include "arguments.hpp"
#include "function.hpp"

namespace fastconv {
namespace {

// A read-only copy, contiguous, in the memory of packed weights (weight_memory.hpp).
py::array weight_copy(py::handle weight) {
    const py::array given = array_of(weight, "weight"), w = contiguous(given, dtype_of(given, "weight"));
    auto memory = std::make_unique<WeightMemory>(w.nbytes());
    if (w.nbytes() > 0) std::memcpy(memory->data(), w.data(), size_t(w.nbytes()));
    const void* data = memory->data();
    const py::capsule owner(memory.release(), [](void* m) { delete static_cast<WeightMemory*>(m); });
    const Shape shape = shape_of(w);
    py::array copy(w.dtype(), std::vector<py::ssize_t>(shape.begin(), shape.end()), data, owner);
    copy.attr("setflags")(py::arg("write") = false);
    return copy;
}

}  // namespace

void register_weights(py::module_& m) { define<&weight_copy>(m, "weight_copy"); }

}  // namespace fastconv
