// The problem string, printed and parsed: the only place that knows its grammar.
#include <algorithm>
#include <charconv>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <string_view>

#include "problem.hpp"

namespace fastconv {
namespace {

[[noreturn]] void fail(const std::string& message) { throw std::invalid_argument(message); }

constexpr const char* op_names[] = {"conv", "max_pool", "avg_pool"};
constexpr std::string_view type_names[] = {"f32", "f64", "f16", "bf16"};  // in the order of DType
constexpr char axis_letters[] = {'d', 'h', 'w'};

struct NamedActivation {
    const char* name;
    ActivationSpec spec;
};
const NamedActivation named_activations[] = {
    {"relu6", {Activation::clamp, 0, 6}},
    {"relu", {Activation::clamp, 0, std::numeric_limits<double>::infinity()}},
    {"leaky_relu", {Activation::leaky_relu, 0.01, 0}},
    {"sigmoid", {Activation::sigmoid, 0, 0}},
    {"tanh", {Activation::tanh, 0, 0}},
    {"silu", {Activation::silu, 0, 0}},
};

struct PaddingMode {
    const char* name;
    Boundary boundary;
};
constexpr PaddingMode padding_modes[] = {
    {"zeros", Boundary::constant}, {"reflect", Boundary::mirror},    {"replicate", Boundary::nearest},
    {"circular", Boundary::wrap},  {"symmetric", Boundary::reflect},
};

std::string number(double v) {
    std::array<char, 32> text;
    const auto end = std::to_chars(text.data(), text.data() + text.size(), v).ptr;
    return std::string(text.data(), end);
}

void print_axes(std::string& text, const Problem& p, char letter, const Axes& axes, bool always, int64_t standard) {
    bool equal = true, is_standard = true;
    for (int i = 3 - p.rank; i < 3; ++i) {
        equal = equal && axes[i] == axes[2];
        is_standard = is_standard && axes[i] == standard;
    }
    if (is_standard && !always) return;
    if (equal) {
        text += std::string(" ") + letter + std::to_string(axes[2]);
        return;
    }
    for (int i = 3 - p.rank; i < 3; ++i) text += std::string(" ") + letter + axis_letters[i] + std::to_string(axes[i]);
}

void print_padding(std::string& text, const Problem& p) {
    if (p.before == p.after) return print_axes(text, p, 'p', p.before, p.op == Op::conv, 0);
    for (int i = 3 - p.rank; i < 3; ++i)
        text += std::string(" p") + axis_letters[i] + std::to_string(p.before[i]) + ":" + std::to_string(p.after[i]);
}

// A token is letters followed by a value: "ih56", "ph0:1", "clamp-1:1".
class Parser {
   public:
    explicit Parser(const std::string& text) : words_(text) {}

    Problem problem() {
        std::string word;
        if (!(words_ >> word))
            fail("problem: expected a string such as 'conv2d n1 ic64 ih56 iw56 oc64 kh3 kw3 s1 p1 nchw f32'");
        operation(word);
        while (words_ >> word) token(word);
        finish();
        return p_;
    }

   private:
    [[noreturn]] static void reject(const std::string& token, const std::string& expected) {
        fail("problem: token '" + token + "': expected " + expected);
    }

    void operation(const std::string& word) {
        for (int i = 0; i < 3; ++i) {
            const std::string name = op_names[i];
            if (word.size() == name.size() + 2 && word.compare(0, name.size(), name) == 0 && word.back() == 'd') {
                p_.op = Op(i);
                p_.rank = word[name.size()] - '0';
                if (p_.rank >= 1 && p_.rank <= 3) return;
            }
        }
        reject(word, "conv1d, conv2d, conv3d, max_pool1d, ... or avg_pool3d");
    }

    int64_t integer(const std::string& text) {
        int64_t value = 0;
        const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
        if (end.ec != std::errc() || end.ptr != text.data() + text.size()) reject(word_, "an integer behind the letters");
        return value;
    }
    double real(const std::string& text) {
        double value = 0;
        const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
        if (end.ec != std::errc() || end.ptr != text.data() + text.size()) reject(word_, "a number behind the name");
        return value;
    }

    bool activation(const std::string& word) {
        if (const auto named = activation_named(word)) {
            p_.activation = *named;
            return true;
        }
        if (word.rfind("leaky_relu", 0) == 0) {
            p_.activation = {Activation::leaky_relu, real(word.substr(10)), 0};
            return true;
        }
        if (word.rfind("clamp", 0) == 0) {
            const auto colon = word.find(':');
            if (colon == std::string::npos) reject(word, "clampLOW:HIGH");
            p_.activation = {Activation::clamp, real(word.substr(5, colon - 5)), real(word.substr(colon + 1))};
            if (!(p_.activation.low <= p_.activation.high)) reject(word, "clampLOW:HIGH with LOW <= HIGH");
            return true;
        }
        return false;
    }

    bool flag(const std::string& word) {
        const bool conv = p_.op == Op::conv;
        if (word == "nchw" || word == "nhwc")
            p_.layout = word == "nchw" ? Layout::channels_first : Layout::channels_last;
        else if (const auto* type = std::find(std::begin(type_names), std::end(type_names), word);
                 type != std::end(type_names))
            p_.dtype = DType(type - type_names);
        else if (word == "psame")
            same_ = true;
        else if (conv && word == "bias")
            p_.bias = true;
        else if (const auto mode = padding_mode_named(word); conv && mode)
            p_.boundary = *mode;
        else if (!conv && word == "ceil")
            p_.ceil_mode = true;
        else if (p_.op == Op::avg_pool && word == "nopad")
            p_.count_include_pad = false;
        else if (p_.op == Op::max_pool && word == "indices")
            p_.indices = true;
        else
            return conv && activation(word);
        return true;
    }

    void token(const std::string& word) {
        word_ = word;
        if (flag(word)) return;
        size_t letters = 0;
        while (letters < word.size() && (std::isalpha(static_cast<unsigned char>(word[letters])))) ++letters;
        const std::string key = word.substr(0, letters), value = word.substr(letters);
        const bool conv = p_.op == Op::conv;
        if (key == "n")
            p_.n = integer(value);
        else if (conv && key == "ic")
            p_.ic = integer(value), has_ic_ = true;
        else if (conv && key == "oc")
            p_.oc = integer(value), has_oc_ = true;
        else if (!conv && key == "c")
            p_.ic = p_.oc = integer(value), has_ic_ = true;
        else if (conv && key == "g")
            p_.groups = integer(value);
        else if (p_.op == Op::avg_pool && key == "div")
            divisor(value);
        else if (key == "s" || key == "d" || key == "p")
            all_axes(key[0], value);
        else if (key.size() == 2)
            one_axis(key, value);
        else
            reject(word, "a known key, such as n, ic, ih, oc, kh, s, p, d, g, nchw, f32");
    }

    void divisor(const std::string& value) {
        p_.divisor_override = integer(value);
        if (p_.divisor_override == 0) reject(word_, "a divisor other than 0");
    }

    void all_axes(char key, const std::string& value) {
        for (int i = 3 - p_.rank; i < 3; ++i) set(key, i, value);
    }

    void one_axis(const std::string& key, const std::string& value) {
        for (int i = 3 - p_.rank; i < 3; ++i)
            if (key[1] == axis_letters[i] && std::string("iksdp").find(key[0]) != std::string::npos)
                return set(key[0], i, value);
        reject(word_, "a known key for an axis of this operator, such as ih, kw, sh, pw, dh");
    }

    void set(char key, int axis, const std::string& value) {
        if (key == 'p') {
            const auto colon = value.find(':');
            p_.before[axis] = integer(value.substr(0, colon));
            p_.after[axis] = colon == std::string::npos ? p_.before[axis] : integer(value.substr(colon + 1));
            return;
        }
        const int64_t v = integer(value);
        if (key == 'i') p_.input[axis] = v, has_input_[axis] = true;
        if (key == 'k') p_.kernel[axis] = v, has_kernel_[axis] = true;
        if (key == 's') p_.stride[axis] = v, has_stride_ = true;
        if (key == 'd') p_.dilation[axis] = v;
    }

    void finish() {
        const bool conv = p_.op == Op::conv;
        if (!has_ic_) fail(std::string("problem: key '") + (conv ? "ic" : "c") + "' is missing");
        if (conv && !has_oc_) fail("problem: key 'oc' is missing");
        for (int i = 3 - p_.rank; i < 3; ++i) {
            if (!has_input_[i]) fail(std::string("problem: key 'i") + axis_letters[i] + "' is missing");
            if (!has_kernel_[i]) fail(std::string("problem: key 'k") + axis_letters[i] + "' is missing");
            if (p_.input[i] < 0) fail(std::string("problem: 'i") + axis_letters[i] + "' must not be negative");
        }
        if (!conv && !has_stride_) p_.stride = p_.kernel;
        if (p_.n < 0 || p_.ic < 0 || p_.oc < 0) fail("problem: n and channels must not be negative");
        if (p_.groups < 1 || p_.ic % p_.groups || p_.oc % p_.groups)
            fail("problem: token 'g" + std::to_string(p_.groups) + "': groups must divide ic and oc");
        if (same_) pad_same(p_);
        complete(p_);
    }

    std::istringstream words_;
    std::string word_;
    Problem p_;
    bool same_ = false, has_stride_ = false, has_ic_ = false, has_oc_ = false;
    std::array<bool, 3> has_input_{}, has_kernel_{};
};

}  // namespace

std::optional<ActivationSpec> activation_named(const std::string& name) {
    for (const auto& a : named_activations)
        if (name == a.name) return a.spec;
    return std::nullopt;
}

std::optional<Boundary> padding_mode_named(const std::string& name) {
    for (const auto& mode : padding_modes)
        if (name == mode.name) return mode.boundary;
    return std::nullopt;
}

std::string to_string(Boundary b) {
    for (const auto& mode : padding_modes)
        if (b == mode.boundary) return mode.name;
    return "";
}

std::string to_string(const ActivationSpec& a) {
    for (const auto& named : named_activations)
        if (named.spec == a) return named.name;
    if (a.kind == Activation::clamp) return "clamp" + number(a.low) + ":" + number(a.high);
    if (a.kind == Activation::leaky_relu) return "leaky_relu" + number(a.low);
    return "";
}

std::string to_string(const Problem& p) {
    const bool conv = p.op == Op::conv;
    std::string text = op_names[int(p.op)] + std::to_string(p.rank) + "d n" + std::to_string(p.n);
    text += (conv ? " ic" : " c") + std::to_string(p.ic);
    for (int i = 3 - p.rank; i < 3; ++i) text += std::string(" i") + axis_letters[i] + std::to_string(p.input[i]);
    if (conv) text += " oc" + std::to_string(p.oc);
    for (int i = 3 - p.rank; i < 3; ++i) text += std::string(" k") + axis_letters[i] + std::to_string(p.kernel[i]);
    if (conv || p.stride != p.kernel) print_axes(text, p, 's', p.stride, true, 1);
    print_padding(text, p);
    print_axes(text, p, 'd', p.dilation, false, 1);
    if (p.groups != 1) text += " g" + std::to_string(p.groups);
    text += p.layout == Layout::channels_first ? " nchw" : " nhwc";
    text += " " + std::string(type_names[int(p.dtype)]);
    if (p.boundary != Boundary::constant) text += " " + to_string(p.boundary);
    if (p.ceil_mode) text += " ceil";
    if (!p.count_include_pad) text += " nopad";
    if (p.divisor_override) text += " div" + std::to_string(p.divisor_override);
    if (p.indices) text += " indices";
    if (p.bias) text += " bias";
    const std::string activation = to_string(p.activation);
    return activation.empty() ? text : text + " " + activation;
}

Problem parse_problem(const std::string& text) { return Parser(text).problem(); }

}  // namespace fastconv
