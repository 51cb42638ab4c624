#include "cache.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <unistd.h>
#endif

namespace fastconv {

const CacheSizes& cache_sizes() {
    static const CacheSizes sizes = [] {
        CacheSizes s;
#if defined(_SC_LEVEL1_DCACHE_SIZE)
        const auto ask = [](int name, int64_t& size) {
            if (const long told = sysconf(name); told > 0) size = told;
        };
        ask(_SC_LEVEL1_DCACHE_SIZE, s.l1d);
        ask(_SC_LEVEL2_CACHE_SIZE, s.l2);
        ask(_SC_LEVEL3_CACHE_SIZE, s.l3);
#endif
        return s;
    }();
    return sizes;
}

}  // namespace fastconv
