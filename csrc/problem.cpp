#include "problem.hpp"

#include <stdexcept>

namespace fastconv {
namespace {

[[noreturn]] void fail(const std::string& message) { throw std::invalid_argument(message); }

// The part of an Axes that the problem's rank uses, as users write it.
Shape used(const Problem& p, const Axes& axes) { return Shape(axes.end() - p.rank, axes.end()); }

std::string padding_text(const Problem& p) {
    std::string text = "(";
    for (int i = 3 - p.rank; i < 3; ++i)
        text += (i > 3 - p.rank ? ", (" : "(") + std::to_string(p.before[i]) + ", " + std::to_string(p.after[i]) + ")";
    return text + (p.rank == 1 ? ",)" : ")");
}

Shape with_channels(const Problem& p, int64_t channels, const Axes& axes) {
    Shape shape{p.n};
    if (p.layout == Layout::channels_first) shape.push_back(channels);
    shape.append(axes.end() - p.rank, axes.end());
    if (p.layout == Layout::channels_last) shape.push_back(channels);
    return shape;
}

void check_positive(const Problem& p, const Axes& axes, const char* name) {
    for (int i = 3 - p.rank; i < 3; ++i)
        if (axes[i] < 1) fail(std::string(name) + " must be positive, got " + to_string(used(p, axes)));
}

// Thrown and caught here alone: the arguments that a size computed from them overflowed.
struct Overflow {
    const char* argument;
};

int64_t checked_sum(int64_t a, int64_t b, const char* argument) {
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum)) throw Overflow{argument};
    return sum;
}

int64_t checked_product(int64_t a, int64_t b, const char* argument) {
    if (const auto result = product(a, b)) return *result;
    throw Overflow{argument};
}

int64_t dilated_extent(const Problem& p, int axis) {
    return checked_sum(checked_product(p.kernel[axis] - 1, p.dilation[axis], "dilation"), 1, "dilation");
}

std::string value_text(const Problem& p, const std::string& argument) {
    if (argument == "stride") return to_string(used(p, p.stride));
    if (argument == "dilation") return to_string(used(p, p.dilation));
    if (argument == "padding") return padding_text(p);
    return to_string(argument == "input" ? p.input_shape() : p.weight_shape());
}

// Runs f, turning an overflow in it into an error that names the argument and its value.
template <class F>
void checking_overflow(const Problem& p, const F& f) {
    try {
        f();
    } catch (const Overflow& o) {
        fail(std::string(o.argument) + "=" + value_text(p, o.argument) + ": expected sizes that fit into 64 bits");
    }
}

}  // namespace

bool addressable(const Shape& shape, int64_t element_size) {
    std::optional<int64_t> bytes = element_size;
    for (const int64_t extent : shape)
        if (bytes) bytes = product(*bytes, extent > 0 ? extent : 1);
    return bytes.has_value();
}

std::string to_string(const Shape& shape) {
    std::string text = "(";
    for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
    return text + (shape.size() == 1 ? ",)" : ")");
}

const char* to_string(DType t) {
    switch (t) {
        case DType::f32: return "float32";
        case DType::f64: return "float64";
        case DType::f16: return "float16";
        default: return "bfloat16";
    }
}

Shape Problem::input_shape() const { return with_channels(*this, ic, input); }
Shape Problem::output_shape() const { return with_channels(*this, oc, output); }

Shape Problem::weight_shape() const {
    if (layout == Layout::channels_first) {
        Shape shape{oc, ic / groups};
        shape.append(kernel.end() - rank, kernel.end());
        return shape;
    }
    Shape shape(kernel.end() - rank, kernel.end());
    shape.push_back(ic / groups);
    shape.push_back(oc);
    return shape;
}

double Problem::operations() const {
    const double windows = double(n) * double(oc) * double(output_pixels()) * double(taps());
    return op == Op::conv ? 2 * windows * double(ic / groups) : windows;
}

namespace {

double bytes_of(const Problem& p, int64_t element_size) {
    const double outputs = double(p.n) * double(p.oc) * double(p.output_pixels());
    double elements = double(p.n) * double(p.ic) * double(p.input_pixels()) + outputs;
    if (p.op == Op::conv)
        elements += double(p.oc) * double(p.ic / p.groups) * double(p.taps()) + (p.bias ? double(p.oc) : 0);
    return elements * double(element_size) + (p.indices ? 8 * outputs : 0);
}

}  // namespace

double Problem::bytes() const { return bytes_of(*this, element_size()); }
double Problem::computed_bytes() const { return bytes_of(*this, computed_size()); }

void pad_same(Problem& p) {
    check_positive(p, p.stride, "stride");
    check_positive(p, p.dilation, "dilation");
    checking_overflow(p, [&] {
        for (int i = 3 - p.rank; i < 3; ++i) {
            const int64_t windows = p.input[i] / p.stride[i] + (p.input[i] % p.stride[i] != 0);
            int64_t total = 0;
            if (windows > 0) total = checked_sum((windows - 1) * p.stride[i] - p.input[i], dilated_extent(p, i), "dilation");
            if (total < 0) total = 0;
            p.before[i] = total / 2;
            p.after[i] = total - total / 2;
        }
    });
}

Problem with_border_drawn(const Problem& p) {
    Problem q = p;
    q.boundary = Boundary::constant;
    if (p.boundary == Boundary::constant || !p.padded()) return q;
    for (size_t i = 0; i < 3; ++i) q.input[i] += p.before[i] + p.after[i];
    q.before = q.after = {};
    q.dtype = computed_in(p.dtype);  // borders are drawn around that
    return q;
}

namespace {

// A border cannot show more of an input than there is.
void check_boundary(const Problem& p) {
    if (p.boundary == Boundary::constant) return;
    for (int i = 3 - p.rank; i < 3; ++i) {
        const int64_t wide = std::max(p.before[i], p.after[i]), extent = p.input[i];
        const bool reflect = p.boundary == Boundary::mirror, circular = p.boundary == Boundary::wrap;
        if (wide == 0 || (extent > 0 && !(reflect && wide >= extent) && !(circular && wide > extent))) continue;
        const char* expected = reflect ? "less than" : circular ? "at most" : "none beside an empty axis of";
        fail("padding=" + padding_text(p) + ": expected " + expected + " the input's extents " +
             to_string(used(p, p.input)) + " with padding_mode='" + to_string(p.boundary) + "'");
    }
    if (!addressable(with_border_drawn(p).input_shape(), p.computed_size())) throw Overflow{"padding"};
}

// The extent of the output along one axis.
int64_t output_extent(const Problem& p, int i, const char* window) {
    const int64_t extent = dilated_extent(p, i);
    const int64_t padded = checked_sum(checked_sum(p.input[i], p.before[i], "padding"), p.after[i], "padding");
    if (extent > padded)
        fail(std::string(window) + ": a window of " + to_string(used(p, p.kernel)) + " with dilation " +
             to_string(used(p, p.dilation)) + " does not fit the input of " + to_string(used(p, p.input)) +
             " with padding " + padding_text(p));
    const int64_t room = padded - extent;
    int64_t windows = room / p.stride[i] + 1;
    checked_sum(checked_product(windows, p.stride[i], "stride"), extent, "stride");
    // Rounding up never adds a window that would begin in the padding behind the input.
    if (p.ceil_mode && room % p.stride[i] != 0 && windows * p.stride[i] < p.input[i] + p.before[i]) ++windows;
    return windows;
}

}  // namespace

void complete(Problem& p) {
    const bool conv = p.op == Op::conv;
    const char* window = conv ? "weight" : "kernel_size";
    check_positive(p, p.kernel, window);
    check_positive(p, p.stride, "stride");
    check_positive(p, p.dilation, "dilation");
    checking_overflow(p, [&] {
        for (int i = 3 - p.rank; i < 3; ++i) {
            if (p.before[i] < 0 || p.after[i] < 0) fail("padding must not be negative, got " + padding_text(p));
            p.output[i] = output_extent(p, i, window);
        }
        check_boundary(p);
        if (!addressable(p.input_shape(), p.computed_size())) throw Overflow{"input"};
        if (conv && !addressable(p.weight_shape(), p.computed_size())) throw Overflow{"weight"};
        if (!addressable(p.output_shape(), p.indices ? 8 : p.computed_size()))
            fail((p.padded() ? "padding=" + padding_text(p) : std::string("input and ") + window) +
                 ": the output would have shape " + to_string(p.output_shape()) +
                 ", expected a size that fits into 64 bits");
    });
    if (p.operations() > 9e18)
        fail(std::string(window) + "=" + to_string(used(p, p.kernel)) + ": more than 9e18 operations");
}

}  // namespace fastconv
