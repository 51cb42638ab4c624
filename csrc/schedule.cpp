#include "schedule.hpp"

#include <algorithm>

namespace fastconv {
namespace {

constexpr double operations_per_thread = 1e6;  // below this a second thread costs more than it brings

}  // namespace

TensorShape dense_tensor(const Problem& p, int64_t channels, const Axes& size) {
    const bool first = p.layout == Layout::channels_first;
    const int64_t inner = first ? 1 : channels, pixels = size[0] * size[1] * size[2];
    TensorShape t{};
    for (int i = 0; i < 3; ++i) t.size[i] = size[size_t(i)];
    t.n_stride = channels * pixels;
    t.c_stride = first ? pixels : 1;
    t.stride[2] = inner;
    t.stride[1] = inner * size[2];
    t.stride[0] = inner * size[2] * size[1];
    return t;
}

void flatten(TensorShape& t) {
    t.size[2] *= t.size[0] * t.size[1];
    t.size[0] = t.size[1] = 1;
}

std::string tile_text(int64_t rows, const char* row, int64_t columns, const char* column) {
    return std::to_string(rows) + " " + row + " x " + std::to_string(columns) + " " + column;
}

int worthwhile_threads(double operations, int available) {
    return int(std::clamp(operations / operations_per_thread, 1.0, double(available)));
}

}  // namespace fastconv
