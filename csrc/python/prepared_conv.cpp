#include "prepared_conv.hpp"

#include <cmath>
#include <cstring>

#include "../half.hpp"
#include "../parallel.hpp"
#include "border.hpp"
#include "explanation.hpp"

namespace fastconv {
namespace {

// A copy that nobody writes to.
py::array frozen(const py::array& a, DType t) {
    const py::array source = contiguous(a, t);
    py::array copy = new_array(shape_of(a), source.dtype());
    std::memcpy(copy.mutable_data(), source.data(), size_t(source.nbytes()));
    copy.attr("setflags")(py::arg("write") = false);
    return copy;
}

}  // namespace

PreparedConv::PreparedConv(py::handle rank, py::handle weight, py::handle bias, py::handle stride, py::handle padding,
                           py::handle dilation, py::handle groups, py::handle padding_mode, py::handle layout,
                           py::handle activation, py::handle algorithm)
    : activation_(py::reinterpret_borrow<py::object>(activation)) {
    const py::array w = array_of(weight, "weight");
    const DType dtype = dtype_of(w, "weight");
    convolution_ = convolution(rank, shape_of(w), stride, padding, dilation, groups, layout);
    Problem& p = convolution_.problem;
    p.dtype = dtype;
    p.boundary = padding_mode_of(padding_mode, "padding_mode");
    const std::optional<py::array> b = bias_of(bias, p, p.oc);
    p.bias = b.has_value();
    p.activation = activation_of(activation);
    convolution_.algorithm = text(algorithm, "algorithm");
    check_algorithm_name(convolution_.algorithm);
    weight_ = frozen(w, dtype);
    dtype_ = weight_->dtype();
    const Widened weights(dtype, weight_->data(), weight_->size());
    finite_ = std::isfinite(largest(dtype, current_isa(), weights.data(), weight_->size(), get_num_threads()));
    if (b) bias_native_ = native(*(bias_ = frozen(*b, dtype)), dtype);
}

py::array PreparedConv::call(py::handle input, py::handle out, py::handle residual) {
    const py::array x = array_of(input, "input");
    const DType dtype = problem().dtype;
    check_dtype(x, "input", dtype, "weight");
    const auto prepared = prepared_for(shape_of(x));
    const std::optional<py::array> added = residual_of(residual, prepared->output);
    Result y(out, prepared->output, dtype, {{"input", &x}, {"residual", added ? &*added : nullptr}});
    const bool halves = prepared->plan.takes_halves();
    const py::array x_native = taken(x, dtype, halves);
    const std::optional<py::array> added_native = added ? std::optional(native(*added, dtype)) : std::nullopt;
    const void* bias = bias_native_ ? bias_native_->data() : nullptr;
    const void* addend = added_native ? added_native->data() : nullptr;
    void* y_data = y.data(halves);
    compute(prepared->problem.operations(),
            [&] { prepared->plan.run(x_native.data(), *prepared->weights, bias, y_data, addend); });
    return y.array();
}

// What is added to the output, if anything is.
std::optional<py::array> PreparedConv::residual_of(py::handle residual, const Shape& output) const {
    if (residual.is_none()) return std::nullopt;
    const DType dtype = problem().dtype;
    if (is_half(dtype))
        throw py::type_error(std::string("residual: the weights are ") + to_string(dtype) + ", expected float32 or float64");
    py::array r = array_of(residual, "residual");
    check_dtype(r, "residual", dtype, "weight");
    if (shape_of(r) != output)
        throw py::value_error("residual: shape " + to_string(shape_of(r)) + ", expected " + to_string(output) +
                              ", that of the output");
    return r;
}

py::object PreparedConv::explain(py::handle input_shape) {
    const auto prepared = prepared_for(shape(input_shape, "input_shape"));
    return explanation(prepared->problem, prepared->choice, prepared->plan.summary(), *prepared->weights->format.isa,
                       prepared->weights->data.size());
}

py::object PreparedConv::profile(py::handle input) {
    const py::array x = array_of(input, "input");
    const DType dtype = problem().dtype;
    check_dtype(x, "input", dtype, "weight");
    const auto prepared = prepared_for(shape_of(x));
    Result y(py::none(), prepared->output, dtype, {{"input", &x}});
    const bool halves = prepared->plan.takes_halves();
    const py::array x_native = taken(x, dtype, halves);
    const void* bias = bias_native_ ? bias_native_->data() : nullptr;
    void* y_data = y.data(halves);
    std::vector<int64_t> times;
    compute(prepared->problem.operations(),
            [&] { times = prepared->plan.profile(x_native.data(), *prepared->weights, bias, y_data); });
    py::list stages;
    for (const ConvPlan::Stage& stage : prepared->plan.stages())
        stages.append(py::make_tuple(stage.name, times[stages.size()], stage.work, stage.unit));
    return stages;
}

py::object PreparedConv::output_shape(py::handle input_shape) const {
    bool batched;
    const Problem p = convolution_.complete_on(shape(input_shape, "input_shape"), batched);
    return to_tuple(without_batch(p.output_shape(), batched));
}

py::object PreparedConv::padding() const {
    if (convolution_.padding.same) return py::str("same");
    py::tuple pairs(size_t(problem().rank));
    for (size_t i = 0; i < pairs.size(); ++i) {
        const size_t axis = 3 - pairs.size() + i;
        pairs[i] = py::make_tuple(convolution_.padding.before[axis], convolution_.padding.after[axis]);
    }
    return pairs;
}

std::shared_ptr<const PreparedConv::Prepared> PreparedConv::prepared_for(const Shape& input) {
    const Key key{input, &current_isa(), get_num_threads(), choice_generation()};
    return prepared_.get(key, [&] { return prepare(key); });
}

std::shared_ptr<const PreparedConv::Prepared> PreparedConv::prepare(const Key& key) {
    bool batched;
    const Problem p = convolution_.complete_on(key.input, batched);
    Choice choice = choose_for_weights(p, convolution_.algorithm, *key.isa, finite_);
    ConvPlan plan(p, choice.algorithm->id, *key.isa, key.threads, weight_strides(p), true, finite_, choice.order);
    auto weights = packed_for(plan);
    const auto prepared = std::make_shared<const Prepared>(
        Prepared{p, without_batch(p.output_shape(), batched), std::move(choice), std::move(weights), std::move(plan)});
    if (weight_ && prepared->plan.can_unpack()) {
        unpacked_ = prepared;
        weight_.reset();
    }
    return prepared;
}

py::array PreparedConv::weight() const {
    if (weight_) return *weight_;
    py::array w = new_array(problem().weight_shape(), dtype_);
    unpacked_->plan.unpack(*unpacked_->weights, w.mutable_data());
    w.attr("setflags")(py::arg("write") = false);
    return w;
}

std::shared_ptr<const PackedWeights> PreparedConv::packed_for(const ConvPlan& plan) {
    for (const auto& known : packed_)
        if (known->format == plan.weight_format()) return known;
    const py::array w = weight();
    if (plan.takes_halves())
        packed_.push_back(plan.pack(w.data()));
    else
        packed_.push_back(plan.pack(Widened(problem().dtype, w.data(), w.size()).data()));
    return packed_.back();
}

}  // namespace fastconv
