// The sizes of this processor's caches, in bytes; typical ones where the system does not tell.
#pragma once

#include <cstdint>

namespace fastconv {

struct CacheSizes {
    int64_t l1d = 32 << 10, l2 = 512 << 10, l3 = 8 << 20;
};

const CacheSizes& cache_sizes();

}  // namespace fastconv
