// A team of threads that share out numbered tasks. The only threads of the project; parallel.hpp says how many to use.
//
// Why not OpenMP: its threads wait for the slowest at the end of every region, even for one that the system has not let
// begin, and how long they spin is the runtime's affair. Here a thread that is done takes tasks from the others, one that
// comes late is not waited for, and idle threads spin for spin_microseconds before they sleep: calls in a row start
// threads within a microsecond, while other libraries in the process are left alone. A child after fork() makes a team of
// its own. (Fork-join on two cores of an AMD EPYC, Zen 5: 0.3 us spinning, 30 us asleep; libgomp 1 us.)
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

namespace fastconv {

// A callable that lives at least as long as the call it is passed to.
template <class Signature>
class FunctionRef;
template <class R, class... A>
class FunctionRef<R(A...)> {
   public:
    template <class F, class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, FunctionRef>>>
    FunctionRef(const F& f)
        : object_(std::addressof(f)),
          call_([](const void* object, A... a) -> R { return (*static_cast<const F*>(object))(a...); }) {}
    R operator()(A... a) const { return call_(object_, a...); }

   private:
    const void* object_;
    R (*call_)(const void*, A...);
};

constexpr int spin_microseconds = 100;

// Runs body(task, thread) for every task, 0 <= thread < threads, the caller being thread 0. Each thread begins with a
// contiguous range of tasks. Where another call is using the team, the caller does all tasks. body must not throw; once it
// returns false on any thread, no further task is begun, and the result is false.
bool run_team(int64_t tasks, int threads, FunctionRef<bool(int64_t task, int thread)> body);

}  // namespace fastconv
