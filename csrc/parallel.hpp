// Threads. parallel_for is the only parallelism in the project, OpenMP its only implementation.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>

namespace fastconv {

// Threads that a call made now may use: what set_num_threads or a ThreadLimit says, one in a child after fork() and
// inside another parallel region.
int thread_count();

constexpr int most_threads = 4096;
void set_num_threads(int n);
int get_num_threads();
int usable_cores();  // by affinity and by the processor time a cgroup grants

// A limit for the calling thread alone; limits nest.
void push_thread_limit(int n);
void pop_thread_limit();

// Thrown by parallel_for when the check set for this thread said so; some tasks are then left undone.
struct Interrupted : std::exception {
    const char* what() const noexcept override { return "interrupted"; }
};

// For the life of this object, parallel_for calls of this thread ask `check` every 50 ms or so whether to stop.
class InterruptCheck {
   public:
    explicit InterruptCheck(std::function<bool()> check);
    ~InterruptCheck();
    InterruptCheck(const InterruptCheck&) = delete;
    InterruptCheck& operator=(const InterruptCheck&) = delete;
};

// Runs body(task, thread) for every task on up to `threads` threads, each taking a contiguous range. body must not throw.
void parallel_for(int64_t tasks, int threads, const std::function<void(int64_t task, int thread)>& body);

}  // namespace fastconv
