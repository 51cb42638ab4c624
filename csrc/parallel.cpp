#include "parallel.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif
namespace fastconv {
namespace {

std::atomic<int> global_threads{0};
thread_local std::vector<int> limits;
thread_local std::function<bool()> interrupt_check;

// Cores' worth of processor time, or a large number for no limit.
int granted_cores(double quota, double period) {
    return quota > 0 && period > 0 ? std::max(1, int(quota / period + 0.5)) : std::numeric_limits<int>::max();
}

// The limit of one control group: version 2 writes "quota period" or "max period", version 1 a file for each.
int group_limit(const std::string& folder, bool version2) {
    double quota = 0, period = 0;
    if (version2) {
        std::string text;
        std::ifstream(folder + "/cpu.max") >> text >> period;
        return granted_cores(std::atof(text.c_str()), period);
    }
    std::ifstream(folder + "/cpu.cfs_quota_us") >> quota;
    std::ifstream(folder + "/cpu.cfs_period_us") >> period;
    return granted_cores(quota, period);
}

// The least that this process's control group and those above it grant. A line of /proc/self/cgroup is
// "number:controllers:path"; a container often sees its own group as the root, whatever the path says.
int cgroup_cores() {
    int cores = std::numeric_limits<int>::max();
    std::ifstream groups("/proc/self/cgroup");
    for (std::string line; std::getline(groups, line);) {
        const size_t first = line.find(':'), second = line.find(':', first + 1);
        if (second == std::string::npos) continue;
        const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
        const bool version2 = controllers == ",,";
        if (!version2 && controllers.find(",cpu,") == std::string::npos) continue;
        const std::string root = version2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu";
        for (std::string path = line.substr(second + 1);; path.resize(path.find_last_of('/'))) {
            if (path == "/") path.clear();
            cores = std::min(cores, group_limit(root + path, version2));
            if (path.find('/') == std::string::npos) break;
        }
    }
    return cores;
}

// What an environment variable asks for; 0 if it is not set.
int environment_threads(const char* name) {
    const char* text = std::getenv(name);
    if (!text || !*text) return 0;
    char* end = nullptr;
    const long n = std::strtol(text, &end, 10);
    const bool valid = end != text && *end == '\0' && n >= 1 && n <= most_threads;
    if (valid) return int(n);
    throw std::invalid_argument(std::string(name) + "='" + text + "': expected a number of threads from 1 to " +
                                std::to_string(most_threads));
}

int default_threads() {
    if (const int n = environment_threads("FASTCONV_NUM_THREADS")) return n;
    // OMP_NUM_THREADS is not ours to complain about; its first number counts (the others are for nested levels).
    if (const char* text = std::getenv("OMP_NUM_THREADS"))
        if (const int n = std::atoi(text); n >= 1 && n <= most_threads) return n;
    return usable_cores();
}

}  // namespace

int usable_cores() {
    int cores = int(std::max(1u, std::thread::hardware_concurrency()));
#if defined(__linux__)
    // The plain cpu_set_t ends at 1024 processors; ask with ever larger sets.
    for (int size = 1024; size <= 1 << 20; size *= 4) {
        cpu_set_t* set = CPU_ALLOC(size_t(size));
        if (!set) break;
        const size_t bytes = CPU_ALLOC_SIZE(size_t(size));
        const bool answered = sched_getaffinity(0, bytes, set) == 0;
        if (answered) cores = CPU_COUNT_S(bytes, set);
        CPU_FREE(set);
        if (answered) break;
    }
#endif
    return std::max(1, std::min(cores, cgroup_cores()));
}

int get_num_threads() {
    if (!limits.empty()) return limits.back();
    int n = global_threads.load(std::memory_order_relaxed);
    if (n == 0) {
        n = default_threads();
        global_threads.store(n, std::memory_order_relaxed);
    }
    return n;
}

void set_num_threads(int n) { global_threads.store(n, std::memory_order_relaxed); }
void push_thread_limit(int n) { limits.push_back(n); }
void pop_thread_limit() {
    if (limits.empty()) throw std::logic_error("no limit of this thread to take back");
    limits.pop_back();
}

InterruptCheck::InterruptCheck(std::function<bool()> check) { interrupt_check = std::move(check); }
InterruptCheck::~InterruptCheck() { interrupt_check = nullptr; }

void parallel_for(int64_t tasks, int threads, FunctionRef<void(int64_t, int)> body) {
    using Clock = std::chrono::steady_clock;
    constexpr auto pause = std::chrono::milliseconds(50);
    const int team = int(std::min<int64_t>(threads, tasks));
    if (!interrupt_check) {
        run_team(tasks, team, [&](int64_t task, int thread) {
            body(task, thread);
            return true;
        });
        return;
    }
    auto next_check = Clock::now() + pause;
    const bool done = run_team(tasks, team, [&](int64_t task, int thread) {
        body(task, thread);
        // Thread 0 is the caller; it alone may ask Python.
        if (thread != 0 || Clock::now() < next_check) return true;
        next_check = Clock::now() + pause;
        return !interrupt_check();
    });
    if (!done) throw Interrupted();
}

}  // namespace fastconv
