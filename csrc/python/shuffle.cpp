// Channels of groups dealt out in turn, between grouped convolutions (Zhang et al., 2018, https://arxiv.org/abs/1707.01083).
#include <algorithm>
#include <cstring>

#include "../parallel.hpp"
#include "../schedule.hpp"
#include "arguments.hpp"
#include "function.hpp"

namespace fastconv {
namespace {

constexpr double operations_per_byte = 3;     // what a byte costs, where threads are concerned
constexpr int64_t bytes_per_task = 32 << 10;  // at least, of several planes

// y[n, i * groups + g] = x[n, g * channels / groups + i], channels first.
py::array channel_shuffle(py::handle input, py::handle groups, py::handle out) {
    const py::array given = array_of(input, "input");
    const DType dtype = dtype_of(given, "input");
    const py::array x = contiguous(given, dtype);
    const Shape shape = shape_of(x);
    const int64_t count = positive_integer(groups, "groups");
    if (shape.size() < 2 || shape[1] % count) value_error("groups", groups, "a divisor of the channels of the input");
    Result y(out, shape, dtype, {{"input", &given}});
    const int64_t channels = shape[1], of_group = channels / count, planes = shape[0] * channels;
    if (x.nbytes() == 0) return y.array();
    const int64_t bytes = x.nbytes() / planes, together = std::clamp<int64_t>(bytes_per_task / bytes, 1, planes);
    const auto* from = static_cast<const char*>(x.data());
    auto* to = static_cast<char*>(y.data(true));
    const double operations = operations_per_byte * double(x.nbytes());
    compute(operations, [&] {
        parallel_for((planes + together - 1) / together, worthwhile_threads(operations, get_num_threads()),
                     [&](int64_t task, int) {
                         for (int64_t p = task * together; p < std::min(planes, (task + 1) * together); ++p) {
                             const int64_t c = p % channels, source = p - c + c % count * of_group + c / count;
                             std::memcpy(to + p * bytes, from + source * bytes, size_t(bytes));
                         }
                     });
    });
    return y.array();
}

}  // namespace

void register_shuffle(py::module_& m) { define<&channel_shuffle>(m, "channel_shuffle"); }

}  // namespace fastconv
