// How many threads a call uses, and parallel_for, the only parallelism in the project.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>

#include "team.hpp"

namespace fastconv {

constexpr int most_threads = 4096;
void set_num_threads(int n);
int get_num_threads();  // what set_num_threads or the calling thread's limit says
int usable_cores();     // by affinity and by the processor time a cgroup grants

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

// Runs body(task, thread) for every task on up to `threads` threads. body must not throw.
void parallel_for(int64_t tasks, int threads, FunctionRef<void(int64_t task, int thread)> body);

}  // namespace fastconv
