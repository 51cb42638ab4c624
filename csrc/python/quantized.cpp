// Convolution of bytes by the processor's dot products. What becomes of zero points and scales is fastconv.quantized's
// matter; arguments come from there, checked.
#include "../dot_plan.hpp"
#include "../isa.hpp"
#include "convolution.hpp"

#include <pybind11/stl.h>

namespace fastconv {
namespace {

// Weights packed once, for the instruction set in use when they were.
class DotConv {
   public:
    DotConv(py::handle rank, const py::array_t<int8_t, py::array::c_style>& weight, py::handle stride, py::handle padding,
            py::handle dilation, py::handle groups, py::handle layout)
        : convolution_(convolution(rank, shape_of(weight), stride, padding, dilation, groups, layout)),
          table_(*dot_kernels(current_isa())),
          weights_(pack_dot_weights(convolution_.problem, table_, weight.data())) {}

    py::tuple output_shape(py::handle input_shape) const {
        bool batched;
        const Problem p = convolution_.complete_on(shape(input_shape, "input"), batched);
        return to_tuple(without_batch(p.output_shape(), batched));
    }

    // y is of the right shape; scale may be None, when it is of int32.
    void run(const py::array& x, int zero_point, std::optional<py::array_t<int32_t, py::array::c_style>> start,
             std::optional<py::array_t<float, py::array::c_style>> scale, int zero, int low, int high, py::array& y) const {
        bool batched;
        const Problem p = convolution_.complete_on(shape_of(x), batched);
        const DotPlan plan(p, table_, get_num_threads());
        const DotOutput output{scale ? scale->data() : nullptr, zero, low, high};
        const int32_t* first = start ? start->data() : nullptr;
        void* to = y.mutable_data();
        compute(p.operations(),
                [&] { plan.run(x.data(), x.dtype().kind() == 'i', zero_point, weights_, first, output, to); });
    }

   private:
    Convolution convolution_;
    const DotTable& table_;
    DotWeights weights_;
};

}  // namespace

void register_quantized(py::module_& m) {
    // Raises what a convolution with such arguments would, whatever its input.
    m.def("check_convolution", [](py::handle rank, py::handle weight_shape, py::handle stride, py::handle padding,
                                  py::handle dilation, py::handle groups, py::handle layout) {
        convolution(rank, shape(weight_shape, "weight"), stride, padding, dilation, groups, layout);
    });
    m.def("has_dot", [] { return dot_kernels(current_isa()) != nullptr; });
    py::class_<DotConv>(m, "DotConv")
        .def(py::init<py::handle, const py::array_t<int8_t, py::array::c_style>&, py::handle, py::handle, py::handle,
                      py::handle, py::handle>())
        .def("output_shape", &DotConv::output_shape)
        .def("run", &DotConv::run);
}

}  // namespace fastconv
