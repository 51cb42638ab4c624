// Problems as Python objects, and what can be said about one without arrays.
#include <algorithm>

#include "../plan.hpp"
#include "../pool_plan.hpp"
#include "arguments.hpp"
#include "explanation.hpp"

namespace fastconv {
namespace {

Problem problem_of(py::handle value) {
    if (py::isinstance<Problem>(value)) return value.cast<Problem>();
    if (!py::isinstance<py::str>(value)) type_error("problem", value, "a Problem or its string");
    return parse_problem(value.cast<std::string>());
}

py::dict explain(py::handle value, py::handle algorithm) {
    const Problem p = problem_of(value);
    const KernelTable& isa = current_isa();
    const Choice choice = choose(p, std::string(text(algorithm, "algorithm")), isa);
    if (p.op == Op::conv) {
        const ConvPlan plan(p, choice.algorithm->id, isa, get_num_threads(), weight_strides(p), true);
        return explanation(p, choice, plan.summary(), isa, plan.packed_weight_bytes());
    }
    const PoolPlan plan(p, {sliding_windows(p, 0), sliding_windows(p, 1), sliding_windows(p, 2)}, isa, get_num_threads());
    return explanation(p, choice, plan.summary(), isa, 0);
}

// What decides the bits of a convolution by the plain function, so that a part of it can be given those of the whole: the
// algorithm with the order of its sums, as choose() knows it, and how many outputs along each axis are computed together,
// counted from the first.
py::tuple method(py::handle value, py::handle algorithm) {
    const Problem p = problem_of(value);
    const KernelTable& isa = current_isa();
    const Choice choice = choose(p, std::string(text(algorithm, "algorithm")), isa, false);
    const AlgorithmId id = choice.algorithm->id;
    const ConvPlan plan(p, id, isa, get_num_threads(), weight_strides(p), false, true, choice.order);
    py::tuple together(size_t(p.rank));
    for (size_t i = 0; i < together.size(); ++i)
        together[i] = is_winograd(id) ? winograd_size(p, id).outputs * p.dilation[3 - together.size() + i] : 1;
    return py::make_tuple(std::string(choice.algorithm->name) + "/" + to_string(plan.sum_order()), together);
}

py::tuple pairs(const Problem& p) {
    py::tuple result(size_t(p.rank));
    for (size_t i = 0; i < result.size(); ++i) {
        const size_t axis = 3 - result.size() + i;
        result[i] = py::make_tuple(p.before[axis], p.after[axis]);
    }
    return result;
}

constexpr const char* problem_doc = R"(What is asked of an operator, without arrays.

Parameters
----------
text : str
    A problem string: the operator, ``n``, channels, extents ``ih iw``, kernel ``kh kw``, then what differs from
    the defaults: ``s2`` or ``sh2 sw1`` (stride), ``p1``, ``ph0:1`` (before:after) or ``psame``, ``d2``
    (dilation), ``g32`` (groups); then ``nchw`` or ``nhwc``, ``f32``, ``f64``, ``f16`` or ``bf16``, and flags: a
    padding mode other than ``zeros``, ``bias`` and an activation for convolutions, ``ceil``, ``nopad``, ``div5``,
    ``indices`` for pooling.

Raises
------
ValueError
    A token that is not understood, or a problem that cannot be computed.

Examples
--------
>>> import fastconv
>>> p = fastconv.Problem("conv2d n1 ic64 ih56 iw56 oc64 kh3 kw3 s1 p1 nchw f32")
>>> p.output_shape
(1, 64, 56, 56)
>>> p.flops
231211008
>>> str(fastconv.Problem("max_pool2d n1 c8 ih9 iw9 kh3 kw3 s2 psame nhwc f64"))
'max_pool2d n1 c8 ih9 iw9 kh3 kw3 s2 p1 nhwc f64'
)";

py::int_ whole(double v) { return py::reinterpret_steal<py::int_>(PyLong_FromDouble(v)); }

}  // namespace

py::dict explanation(const Problem& p, const Choice& choice, const PlanSummary& s, const KernelTable& isa,
                     int64_t packed_weight_bytes) {
    py::list alternatives;
    double estimate = 0;
    for (const auto& c : choice.candidates) {
        py::dict a;
        a["algorithm"] = c.algorithm->name;
        a["supported"] = c.unsupported.empty();
        a["reason"] = c.unsupported;
        a["estimate_us"] = c.unsupported.empty() ? py::object(py::float_(c.microseconds)) : py::none();
        if (c.algorithm == choice.algorithm) estimate = c.microseconds;
        alternatives.append(a);
    }
    py::dict blocking;
    for (const auto& [name, value] : s.blocking) blocking[py::str(name)] = value;
    py::dict d;
    d["problem"] = to_string(p);
    d["algorithm"] = choice.algorithm->name;
    d["reason"] = choice.reason;
    d["alternatives"] = alternatives;
    d["instruction_set"] = isa.name;
    d["input"] = s.input;
    d["input_bytes"] = s.input_bytes;
    d["tile"] = s.tile;
    d["blocking"] = blocking;
    d["threads"] = s.threads;
    d["tasks"] = s.tasks;
    d["flops"] = whole(p.operations());
    d["bytes"] = whole(p.bytes());
    d["packed_weight_bytes"] = packed_weight_bytes;
    d["workspace_bytes"] = s.workspace_bytes;
    d["estimate_us"] = estimate;
    return d;
}

void register_problem(py::module_& m) {
    const auto axes_of = [](Axes Problem::* member) {
        return [member](const Problem& p) { return to_tuple(Shape((p.*member).end() - p.rank, (p.*member).end())); };
    };
    py::class_<Problem>(m, "Problem", problem_doc)
        .def(py::init([](py::handle text) {
            if (!py::isinstance<py::str>(text)) type_error("problem", text, "a string");
            return parse_problem(text.cast<std::string>());
        }))
        .def("__str__", [](const Problem& p) { return to_string(p); })
        .def("__repr__", [](const Problem& p) { return "Problem('" + to_string(p) + "')"; })
        .def("__hash__", [](const Problem& p) { return py::hash(py::str(to_string(p))); })
        .def(
            "__eq__", [](const Problem& p, const Problem& q) { return p == q; }, py::is_operator())
        .def("__reduce__",
             [](py::object self) { return py::make_tuple(self.attr("__class__"), py::make_tuple(py::str(self))); })
        .def_property_readonly("op",
                               [](const Problem& p) {
                                   const std::string text = to_string(p);
                                   return text.substr(0, text.find(' '));
                               })
        .def_property_readonly("rank", [](const Problem& p) { return p.rank; })
        .def_property_readonly("n", [](const Problem& p) { return p.n; })
        .def_property_readonly("ic", [](const Problem& p) { return p.ic; })
        .def_property_readonly("oc", [](const Problem& p) { return p.oc; })
        .def_property_readonly("groups", [](const Problem& p) { return p.groups; })
        .def_property_readonly("input_size", axes_of(&Problem::input))
        .def_property_readonly("kernel_size", axes_of(&Problem::kernel))
        .def_property_readonly("stride", axes_of(&Problem::stride))
        .def_property_readonly("dilation", axes_of(&Problem::dilation))
        .def_property_readonly("output_size", axes_of(&Problem::output))
        .def_property_readonly("padding", &pairs)
        .def_property_readonly("padding_mode", [](const Problem& p) { return to_string(p.boundary); })
        .def_property_readonly("layout",
                               [](const Problem& p) { return p.layout == Layout::channels_first ? "NCHW" : "NHWC"; })
        .def_property_readonly("dtype", [](const Problem& p) { return to_string(p.dtype); })
        .def_property_readonly("bias", [](const Problem& p) { return p.bias; })
        .def_property_readonly("activation", [](const Problem& p) { return to_string(p.activation); })
        .def_property_readonly("ceil_mode", [](const Problem& p) { return p.ceil_mode; })
        .def_property_readonly("count_include_pad", [](const Problem& p) { return p.count_include_pad; })
        .def_property_readonly(
            "divisor_override",
            [](const Problem& p) { return p.divisor_override ? py::object(py::int_(p.divisor_override)) : py::none(); })
        .def_property_readonly("return_indices", [](const Problem& p) { return p.indices; })
        .def_property_readonly("input_shape", [](const Problem& p) { return to_tuple(p.input_shape()); })
        .def_property_readonly(
            "weight_shape",
            [](const Problem& p) { return p.op == Op::conv ? py::object(to_tuple(p.weight_shape())) : py::none(); })
        .def_property_readonly("output_shape", [](const Problem& p) { return to_tuple(p.output_shape()); })
        .def_property_readonly("flops", [](const Problem& p) { return whole(p.operations()); })
        .def_property_readonly("bytes", [](const Problem& p) { return whole(p.bytes()); });

    m.def("explain", &explain, py::arg("problem"), py::arg("algorithm") = "auto");
    m.def("method", &method);
    m.def("remember_choice", [](py::handle value, py::handle algorithm) {
        const Problem p = problem_of(value);
        const std::string name(text(algorithm, "algorithm"));
        const Choice choice = choose(p, name, current_isa());  // throws for what is unknown or not supported
        if (name != choice.algorithm->name) value_error("algorithm", algorithm, "the name of one algorithm");
        remember_choice(p, current_isa(), choice.algorithm->id);
    });
    m.def("forget_choices", &forget_choices);
    m.def("algorithms", [] {
        py::dict d;
        for (const auto& a : algorithms()) d[a.name] = a.summary;
        return d;
    });
    m.def("supports", [](py::handle algorithm, py::handle value) {
        const std::string name(text(algorithm, "algorithm"));
        const Problem p = problem_of(value);
        check_algorithm_name(name);
        if (name == "auto" || name == "strict") return std::string();
        const auto asked_for = [&](const Algorithm& a) { return a.name == (name == "winograd" ? "winograd2" : name); };
        return why_unsupported(p, *std::find_if(algorithms().begin(), algorithms().end(), asked_for), current_isa());
    });
}

}  // namespace fastconv
