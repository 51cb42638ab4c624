// What is asked: extents, windows, layout, element type, epilogue. No pointers, no algorithm, nothing of the machine.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>

#include "boundary.hpp"
#include "kernels/args.hpp"

namespace fastconv {

using Axes = std::array<int64_t, 3>;  // depth, height, width; a 1-D or 2-D problem has extents of one in front

// The extents of an array. There are never more than NumPy allows, so that they need no memory of their own.
class Shape {
   public:
    static constexpr size_t most = 64;

    Shape() = default;
    Shape(std::initializer_list<int64_t> extents) : Shape(extents.begin(), extents.end()) {}
    template <class Iterator>
    Shape(Iterator begin, Iterator end) {
        append(begin, end);
    }
    Shape(const Shape& other) : Shape(other.begin(), other.end()) {}  // of 64 extents seldom more than five are in use
    Shape& operator=(const Shape& other) {
        size_ = other.size_;
        std::copy(other.begin(), other.end(), extents_);
        return *this;
    }

    void push_back(int64_t extent) { extents_[size_++] = extent; }
    template <class Iterator>
    void append(Iterator begin, Iterator end) {
        for (; begin != end; ++begin) push_back(*begin);
    }

    size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    int64_t& operator[](size_t i) { return extents_[i]; }
    int64_t operator[](size_t i) const { return extents_[i]; }
    int64_t& back() { return extents_[size_ - 1]; }
    int64_t back() const { return extents_[size_ - 1]; }
    const int64_t* begin() const { return extents_; }
    const int64_t* end() const { return extents_ + size_; }
    bool operator==(const Shape& other) const { return std::equal(begin(), end(), other.begin(), other.end()); }

   private:
    size_t size_ = 0;
    int64_t extents_[most];
};

enum class Op { conv, max_pool, avg_pool };
enum class Layout { channels_first, channels_last };
enum class DType { f32, f64, f16, bf16 };

// Half-sized floats are stored as such and computed with as floats.
inline DType computed_in(DType t) { return t == DType::f64 ? DType::f64 : DType::f32; }
inline bool is_half(DType t) { return t == DType::f16 || t == DType::bf16; }

// f(T()) for the type T that arrays of this type are computed in.
template <class F>
void with_type(DType t, const F& f) {
    if (computed_in(t) == DType::f32)
        f(float());
    else
        f(double());
}

struct ActivationSpec {
    Activation kind = Activation::none;
    double low = 0, high = 0;  // clamp: the bounds; leaky_relu: low is the slope
    bool operator==(const ActivationSpec&) const = default;
};

struct Problem {
    Op op = Op::conv;
    int rank = 2;
    int64_t n = 1, ic = 0, oc = 0, groups = 1;
    Axes input{1, 1, 1}, kernel{1, 1, 1}, stride{1, 1, 1}, dilation{1, 1, 1}, before{}, after{};
    Axes output{1, 1, 1};  // derived by complete()
    Layout layout = Layout::channels_first;
    DType dtype = DType::f32;  // of the arrays

    Boundary boundary = Boundary::constant;  // what padding shows, constant being zeros

    bool bias = false;  // convolution only
    ActivationSpec activation;

    bool ceil_mode = false, count_include_pad = true, indices = false;  // pooling only
    int64_t divisor_override = 0;                                       // 0: none

    bool operator==(const Problem&) const = default;

    int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
    int64_t input_pixels() const { return input[0] * input[1] * input[2]; }
    int64_t output_pixels() const { return output[0] * output[1] * output[2]; }
    int64_t element_size() const { return is_half(dtype) ? 2 : computed_size(); }  // of the arrays
    int64_t computed_size() const { return computed_in(dtype) == DType::f32 ? 4 : 8; }
    bool padded() const { return before != Axes{} || after != Axes{}; }

    Shape input_shape() const;
    Shape weight_shape() const;
    Shape output_shape() const;
    double operations() const;      // two for each product of the definition, one for each element of a pooling window
    double bytes() const;           // every array read or written once
    double computed_bytes() const;  // the same in the type computed in
};

// Padding so that output = ceil(input / stride), what is odd going behind, as TensorFlow's SAME.
void pad_same(Problem&);

// What padding that shows the input itself comes to: the same on a larger input without padding. Others are returned as
// they are.
Problem with_border_drawn(const Problem&);

// Derives the output's extents. Throws std::invalid_argument, naming the argument, for what cannot be computed: windows
// that do not fit, strides below one, sizes that overflow.
void complete(Problem&);

// One problem, one string: conv2d n1 ic64 ih56 iw56 oc64 kh3 kw3 s1 p1 nchw f32
std::string to_string(const Problem&);
Problem parse_problem(const std::string&);

// "relu", "relu6", "leaky_relu", "sigmoid", "tanh", "silu"
std::optional<ActivationSpec> activation_named(const std::string&);

// "zeros", "reflect", "replicate", "circular", "symmetric"
std::optional<Boundary> padding_mode_named(const std::string& name);
std::string to_string(Boundary);

std::string to_string(const Shape&);
std::string to_string(const ActivationSpec&);
const char* to_string(DType);

// The product, or nothing if it overflows.
inline std::optional<int64_t> product(int64_t a, int64_t b) {
    int64_t result;
    if (__builtin_mul_overflow(a, b, &result)) return std::nullopt;
    return result;
}

// Whether an array of this shape could be addressed.
bool addressable(const Shape&, int64_t element_size);

}  // namespace fastconv
