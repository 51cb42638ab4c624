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
          kernels_(*dot_kernels<int32_t>(current_isa())) {
        const Problem& p = convolution_.problem;
        const DotPlan<int32_t> plan(p, kernels_, 1);
        packed_ = Buffer(plan.packed_bytes());
        plan.pack(reinterpret_cast<const uint8_t*>(weight.data()), weight_strides(p), packed_.data());
        const bool first = p.layout == Layout::channels_first;
        const int64_t of_channel = p.oc ? weight.size() / p.oc : 0;
        sums_.resize(size_t(p.oc));
        for (int64_t o = 0; o < p.oc; ++o)
            for (int64_t i = 0; i < of_channel; ++i) {
                const int32_t w = weight.data()[first ? o * of_channel + i : i * p.oc + o];
                sums_[size_t(o)] += uint32_t(w);
            }
    }

    // y is of the right shape; scale may be None, when it is of int32.
    void run(const py::array& x, int zero_point, std::optional<py::array_t<int32_t, py::array::c_style>> start,
             std::optional<py::array_t<float, py::array::c_style>> scale, int zero, int low, int high, py::array& y) const {
        bool batched;
        const Problem p = convolution_.complete_on(shape_of(x), batched);
        const DotPlan<int32_t> plan(p, kernels_, get_num_threads());
        const DotOutput output{scale ? scale->data() : nullptr, zero, low, high};
        // x - zero_point, as unsigned bytes: the zero point leaves the sums as a multiple of the weights'.
        const int flip = x.dtype().kind() == 'i' ? 128 : 0, flipped_zero = zero_point + flip;
        std::vector<int32_t> starts(sums_.size());
        for (size_t o = 0; o < starts.size(); ++o)
            starts[o] = int32_t((start ? uint32_t(start->data()[o]) : 0) - uint32_t(flipped_zero) * sums_[o]);
        void* to = y.mutable_data();
        compute(p.operations(), [&] {
            plan.run(x.data(), packed_.data(), starts.data(), to, output, uint8_t(flip), uint8_t(flipped_zero));
        });
    }

   private:
    Convolution convolution_;
    const DotKernels<int32_t>& kernels_;
    Buffer packed_;
    std::vector<uint32_t> sums_;  // of the weights of each output channel, modulo 2^32
};

}  // namespace

void register_quantized(py::module_& m) {
    // Raises what a convolution with such arguments would, whatever its input.
    m.def("check_convolution", [](py::handle rank, py::handle weight_shape, py::handle stride, py::handle padding,
                                  py::handle dilation, py::handle groups, py::handle layout) {
        convolution(rank, shape(weight_shape, "weight"), stride, padding, dilation, groups, layout);
    });
    m.def("has_dot", [] { return dot_kernels<int32_t>(current_isa()) != nullptr; });
    m.def("use_matrices", &use_matrices);
    py::class_<DotConv>(m, "DotConv")
        .def(py::init<py::handle, const py::array_t<int8_t, py::array::c_style>&, py::handle, py::handle, py::handle,
                      py::handle, py::handle>())
        .def("run", &DotConv::run);
}

}  // namespace fastconv
