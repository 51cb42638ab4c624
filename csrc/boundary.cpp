#include "boundary.hpp"

#include <algorithm>

namespace fastconv {

int64_t element_shown(Boundary b, int64_t size, int64_t i) {
    if (0 <= i && i < size) return i;
    if (size == 0) return -1;
    const auto modulo = [](int64_t n, int64_t m) { return (n % m + m) % m; };
    switch (b) {
        case Boundary::constant: return -1;
        case Boundary::nearest: return i < 0 ? 0 : size - 1;
        case Boundary::wrap: return modulo(i, size);
        case Boundary::reflect: i = modulo(i, 2 * size); return std::min(i, 2 * size - 1 - i);
        case Boundary::mirror:
            if (size == 1) return 0;
            i = modulo(i, 2 * size - 2);
            return std::min(i, 2 * size - 2 - i);
    }
    return -1;
}

std::vector<int64_t> boundary_table(Boundary b, int64_t size, int64_t first, int64_t count) {
    std::vector<int64_t> table(size_t(std::max<int64_t>(count, 0)));
    for (size_t i = 0; i < table.size(); ++i) table[i] = element_shown(b, size, first + int64_t(i));
    return table;
}

}  // namespace fastconv
