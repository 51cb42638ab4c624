// Convolution: the plain function, and the prepared object that keeps packed weights and plans.
#include <algorithm>
#include <memory>
#include <mutex>
#include <stdexcept>

#include "../plan.hpp"
#include "arguments.hpp"
#include "explanation.hpp"

namespace fastconv {
namespace {

// All that is known of a convolution before its input is: the problem without n and extents.
struct Convolution {
    Problem problem;
    Padding padding;
    std::string algorithm = "auto";

    Problem on(const Shape& input, bool& batched) const {
        Problem p = problem;
        batched = apply_input_shape(p, input);
        if (p.ic != problem.ic)
            throw py::value_error("input: shape " + to_string(input) + " has " + std::to_string(p.ic) +
                                  " channels, expected " + std::to_string(problem.ic) + " for weight of shape " +
                                  to_string(problem.weight_shape()) + " with groups=" + std::to_string(problem.groups));
        padding.apply(p);
        complete(p);
        return p;
    }
};

Convolution convolution(py::handle rank, const Shape& weight, py::handle stride, py::handle padding, py::handle dilation,
                        py::handle groups, py::handle layout) {
    Convolution c;
    Problem& p = c.problem;
    p.rank = rank_of(rank);
    p.layout = layout_of(layout, p.rank);
    p.groups = positive_integer(groups, "groups");
    p.stride = axes(stride, p.rank, "stride");
    p.dilation = axes(dilation, p.rank, "dilation");
    c.padding = padding_of(padding, p.rank);
    for (const auto& [value, numbers, name] : {std::tuple{stride, p.stride, "stride"}, {dilation, p.dilation, "dilation"}})
        if (*std::min_element(numbers.begin(), numbers.end()) < 1) value_error(name, value, "positive integers");

    const size_t r = size_t(p.rank);
    if (weight.size() != r + 2)
        throw py::value_error(
            "weight: shape " + to_string(weight) + ", expected " + std::to_string(r + 2) + " axes, " +
            (p.layout == Layout::channels_first ? "(oc, ic / groups, *kernel)" : "(*kernel, ic / groups, oc)"));
    const bool first = p.layout == Layout::channels_first;
    p.oc = first ? weight[0] : weight[r + 1];
    const auto channels = product(first ? weight[1] : weight[r], p.groups);
    if (!channels) value_error("groups", groups, "groups of channels whose number fits into 64 bits");
    p.ic = *channels;
    std::copy_n(weight.begin() + (first ? 2 : 0), r, p.kernel.end() - p.rank);
    for (size_t i = 0; i < r; ++i)
        if (p.kernel[3 - r + i] < 1)
            throw py::value_error("weight: shape " + to_string(weight) + ", expected a kernel of positive extents");
    if (p.oc % p.groups)
        value_error("groups", groups, "a divisor of the " + std::to_string(p.oc) + " output channels of weight");
    return c;
}

void check_bias(const py::array& bias, const Problem& p) {
    check_dtype(bias, "bias", p.dtype, "weight");
    if (shape_of(bias) != Shape{p.oc})
        throw py::value_error("bias: shape " + to_string(shape_of(bias)) + ", expected " + to_string(Shape{p.oc}) +
                              " for weight of shape " + to_string(p.weight_shape()));
}

py::array conv(py::handle rank, py::handle input, py::handle weight, py::handle bias, py::handle stride, py::handle padding,
               py::handle dilation, py::handle groups, py::handle layout, py::handle activation, py::handle algorithm,
               py::handle out) {
    const py::array x = array_of(input, "input"), w = array_of(weight, "weight");
    const DType dtype = dtype_of(x, "input");
    check_dtype(w, "weight", dtype, "input");
    Convolution c = convolution(rank, shape_of(w), stride, padding, dilation, groups, layout);
    c.problem.dtype = dtype;
    std::vector<Input> inputs{{"input", &x}, {"weight", &w}};
    py::array b;
    if (!bias.is_none()) {
        b = array_of(bias, "bias");
        check_bias(b, c.problem);
        c.problem.bias = true;
        inputs.push_back({"bias", &b});
    }
    c.problem.activation = activation_of(activation);
    c.algorithm = text(algorithm, "algorithm");
    bool batched;
    const Problem p = c.on(shape_of(x), batched);
    const KernelTable& isa = current_isa();
    const Choice choice = choose(p, c.algorithm, isa);

    const py::array y = output_array(out, without_batch(p.output_shape(), batched), p.dtype, inputs);
    const py::array x_native = native(x, p.dtype), w_native = native(w, p.dtype);
    const py::array b_native = p.bias ? native(b, p.dtype) : py::array();
    void* y_data = const_cast<void*>(y.data());
    const void* b_data = p.bias ? b_native.data() : nullptr;
    compute(p.operations(), [&] {
        const ConvPlan plan(p, choice.algorithm->id, isa, thread_count());
        plan.run(x_native.data(), weight_view(p, w_native.data()), b_data, y_data);
    });
    return y;
}

class PreparedConv {
   public:
    PreparedConv(py::handle rank, py::handle weight, py::handle bias, py::handle stride, py::handle padding,
                 py::handle dilation, py::handle groups, py::handle layout, py::handle activation, py::handle algorithm) {
        const py::array w = array_of(weight, "weight");
        const DType dtype = dtype_of(w, "weight");
        convolution_ = convolution(rank, shape_of(w), stride, padding, dilation, groups, layout);
        Problem& p = convolution_.problem;
        p.dtype = dtype;
        p.bias = !bias.is_none();
        py::array b;
        if (p.bias) check_bias(b = array_of(bias, "bias"), p);
        p.activation = activation_of(activation);
        convolution_.algorithm = text(algorithm, "algorithm");
        check_algorithm_name(convolution_.algorithm);
        weight_ = frozen(w);
        if (p.bias) bias_ = frozen(b);
    }

    py::array call(py::handle input, py::handle out) {
        const py::array x = array_of(input, "input");
        check_dtype(x, "input", problem().dtype, "weight");
        bool batched;
        const Problem p = convolution_.on(shape_of(x), batched);
        const auto prepared = prepare(p);
        std::vector<Input> inputs{{"input", &x}};
        const py::array y = output_array(out, without_batch(p.output_shape(), batched), p.dtype, inputs);
        const py::array x_native = native(x, p.dtype);
        void* y_data = const_cast<void*>(y.data());
        const void* bias = p.bias ? bias_.data() : nullptr;
        compute(p.operations(), [&] { prepared->plan.run(x_native.data(), *prepared->weights, bias, y_data); });
        return y;
    }

    py::dict explain(py::handle input_shape) {
        bool batched;
        const Problem p = convolution_.on(shape(input_shape, "input_shape"), batched);
        const auto prepared = prepare(p);
        return explanation(p, prepared->choice, prepared->plan.summary(), prepared->isa, prepared->weights->data.size());
    }

    py::tuple output_shape(py::handle input_shape) const {
        bool batched;
        const Problem p = convolution_.on(shape(input_shape, "input_shape"), batched);
        return to_tuple(without_batch(p.output_shape(), batched));
    }

    const Problem& problem() const { return convolution_.problem; }
    const Convolution& convolution_of() const { return convolution_; }
    py::array weight() const { return weight_; }
    py::object bias() const { return problem().bias ? py::object(bias_) : py::none(); }

   private:
    struct Prepared {
        Problem problem;
        int threads;
        const KernelTable& isa;
        Choice choice;
        std::shared_ptr<const PackedWeights> weights;
        ConvPlan plan;
    };

    py::array frozen(const py::array& a) const {
        py::array copy = native(a, problem().dtype).attr("copy")();
        copy.attr("setflags")(py::arg("write") = false);
        return copy;
    }

    // The plan for one problem, made or remembered. Plans do not change, so that once out of here no lock is needed.
    std::shared_ptr<const Prepared> prepare(const Problem& p) {
        const std::lock_guard lock(mutex_);
        const KernelTable& isa = current_isa();
        const int threads = thread_count();
        for (const auto& known : prepared_)
            if (known->threads == threads && &known->isa == &isa && known->problem == p) return known;

        Choice choice = choose(p, convolution_.algorithm, isa);
        auto weights = pack(p, choice.algorithm->id, isa);
        if (weights->algorithm != choice.algorithm->id) {
            choice.algorithm = &algorithm_of(weights->algorithm);
            choice.reason = "some weights are not finite, and the padding must not meet them";
        }
        ConvPlan plan(p, weights->algorithm, isa, threads);
        auto made = std::make_shared<const Prepared>(
            Prepared{p, threads, isa, std::move(choice), std::move(weights), std::move(plan)});
        if (prepared_.size() == most_plans) prepared_.erase(prepared_.begin());
        prepared_.push_back(made);
        return made;
    }

    std::shared_ptr<const PackedWeights> pack(const Problem& p, AlgorithmId id, const KernelTable& isa) {
        // The order of packed weights can depend on the input's extents, and so can what weights that are not finite do.
        const bool pixel_lanes = p.dtype == DType::f32 ? pixels_in_lanes(p, id, isa.f32) : pixels_in_lanes(p, id, isa.f64);
        const auto fits = [&](const Packed& known) {
            const AlgorithmId used = spoiled_by_weights(p, id, known.weights->finite) ? AlgorithmId::direct : id;
            return known.asked == id && known.pixel_lanes == pixel_lanes && known.weights->isa == &isa &&
                   known.weights->algorithm == used;
        };
        for (const auto& known : packed_)
            if (fits(known)) return known.weights;
        packed_.push_back({id, pixel_lanes, pack_weights(p, id, isa, weight_view(p, weight_.data()))});
        return packed_.back().weights;
    }

    struct Packed {
        AlgorithmId asked;
        bool pixel_lanes;
        std::shared_ptr<const PackedWeights> weights;
    };
    static constexpr size_t most_plans = 16;

    Convolution convolution_;
    py::array weight_, bias_;
    std::mutex mutex_;
    std::vector<Packed> packed_;
    std::vector<std::shared_ptr<const Prepared>> prepared_;
};

py::object padding_read_back(const Convolution& c) {
    if (c.padding.same) return py::str("same");
    py::tuple pairs(size_t(c.problem.rank));
    for (size_t i = 0; i < pairs.size(); ++i) {
        const size_t axis = 3 - pairs.size() + i;
        pairs[i] = py::make_tuple(c.padding.before[axis], c.padding.after[axis]);
    }
    return pairs;
}

py::tuple used_axes(const Problem& p, const Axes& a) { return to_tuple(Shape(a.end() - p.rank, a.end())); }

}  // namespace

void register_conv(py::module_& m) {
    m.def("conv", &conv);
    m.def("conv_output_shape", [](py::handle rank, py::handle input_shape, py::handle weight_shape, py::handle stride,
                                  py::handle padding, py::handle dilation, py::handle groups, py::handle layout) {
        const Convolution c = convolution(rank, shape(weight_shape, "weight"), stride, padding, dilation, groups, layout);
        bool batched;
        const Problem p = c.on(shape(input_shape, "input"), batched);
        return to_tuple(without_batch(p.output_shape(), batched));
    });
    const auto problem = [](const auto& get) { return [get](const PreparedConv& c) { return get(c.problem()); }; };
    py::class_<PreparedConv>(m, "Conv")
        .def(py::init<py::handle, py::handle, py::handle, py::handle, py::handle, py::handle, py::handle, py::handle,
                      py::handle, py::handle>())
        .def("__call__", &PreparedConv::call, py::arg("input"), py::arg("out") = py::none())
        .def("explain", &PreparedConv::explain)
        .def("output_shape", &PreparedConv::output_shape)
        .def_property_readonly("weight", &PreparedConv::weight)
        .def_property_readonly("bias", &PreparedConv::bias)
        .def_property_readonly("rank", problem([](const Problem& p) { return p.rank; }))
        .def_property_readonly("weight_shape", problem([](const Problem& p) { return to_tuple(p.weight_shape()); }))
        .def_property_readonly("kernel_size", problem([](const Problem& p) { return used_axes(p, p.kernel); }))
        .def_property_readonly("in_channels", problem([](const Problem& p) { return p.ic; }))
        .def_property_readonly("out_channels", problem([](const Problem& p) { return p.oc; }))
        .def_property_readonly("stride", problem([](const Problem& p) { return used_axes(p, p.stride); }))
        .def_property_readonly("padding", [](const PreparedConv& c) { return padding_read_back(c.convolution_of()); })
        .def_property_readonly("dilation", problem([](const Problem& p) { return used_axes(p, p.dilation); }))
        .def_property_readonly("groups", problem([](const Problem& p) { return p.groups; }))
        .def_property_readonly(
            "layout", problem([](const Problem& p) { return p.layout == Layout::channels_first ? "NCHW" : "NHWC"; }))
        .def_property_readonly("activation", problem([](const Problem& p) { return to_string(p.activation); }))
        .def_property_readonly("algorithm", [](const PreparedConv& c) { return c.convolution_of().algorithm; })
        .def_property_readonly("dtype", problem([](const Problem& p) { return to_string(p.dtype); }));
}

}  // namespace fastconv
