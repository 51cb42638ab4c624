#include "limits.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

#include "isa.hpp"
#include "memory.hpp"
#include "parallel.hpp"

namespace fastconv {
namespace {

// The highest rate of many short runs: whatever else the machine does only ever slows them. `run` returns its work.
template <class F>
double highest_rate(double seconds, const F& run) {
    using Clock = std::chrono::steady_clock;
    double best = 0;
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    do {
        const auto start = Clock::now();
        const double work = run();
        best = std::max(best, work / std::chrono::duration<double>(Clock::now() - start).count());
    } while (Clock::now() < end);
    return best;
}

}  // namespace

template <class T>
double measure_peak(double seconds, int threads) {
    const Kernels<T>& k = kernels_of<T>(current_isa());
    constexpr int64_t rounds = 20000;
    return highest_rate(seconds, [&] {
        std::vector<int64_t> operations(size_t(threads), 0);
        parallel_for(threads, threads, [&](int64_t, int thread) {
            T sink[2] = {T(0.999), T(0.001)};
            operations[size_t(thread)] += k.peak(rounds, sink);
        });
        int64_t all = 0;
        for (const int64_t n : operations) all += n;
        return double(all);
    });
}
template double measure_peak<float>(double, int);
template double measure_peak<double>(double, int);

double measure_bandwidth(int64_t bytes, double seconds, int threads) {
    const Kernels<float>& k = kernels_of<float>(current_isa());
    constexpr int64_t element = sizeof(float), run_bytes = 32 << 20;  // long beside what waking the threads takes
    // Each half is a whole number of the vectors that a loop takes at a time.
    const int64_t half = round_up(std::max<int64_t>(bytes / (2 * element * threads), 1), load_granule * k.lanes);
    const int64_t rounds = std::max<int64_t>(1, run_bytes / (2 * half * element * threads));
    std::vector<Buffer> buffers;
    for (int i = 0; i < threads; ++i) {
        buffers.emplace_back(2 * half * element);
        std::memset(buffers.back().data(), 0, size_t(buffers.back().size()));
    }
    std::vector<float> sinks(size_t(threads) * 16);
    const auto rate = [&](const auto& pass) {
        return highest_rate(seconds / 2, [&] {
            parallel_for(threads, threads, [&](int64_t task, int) {
                float* const x = static_cast<float*>(buffers[size_t(task)].data());
                for (int64_t r = 0; r < rounds; ++r) pass(x, sinks[size_t(task) * 16]);
            });
            return double(rounds * threads) * double(2 * half * element);
        });
    };
    const double loading = rate([&](const float* x, float& sink) { sink += k.load_all(x, 2 * half); });
    const double copying = rate([&](float* x, float&) { k.copy_all(x, x + half, half); });
    return std::max(loading, copying);
}

}  // namespace fastconv
