#include "team.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <system_error>
#include <thread>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#define FASTCONV_HAS_FORK 1
#endif
#if defined(__linux__)
#include <sched.h>
#endif

namespace fastconv {
namespace {

using Body = FunctionRef<bool(int64_t, int)>;

inline void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

// Spins until done(), for spin_microseconds at most; returns whether it is.
template <class F>
bool spin_until(const F& done) {
    using Clock = std::chrono::steady_clock;
    constexpr int between_looks_at_the_clock = 64;
    const auto end = Clock::now() + std::chrono::microseconds(spin_microseconds);
    do {
        for (int i = 0; i < between_looks_at_the_clock; ++i) {
            if (done()) return true;
            pause();
        }
    } while (Clock::now() < end);
    return done();
}

// One call's tasks: a range for each thread, from which any thread may claim the next.
class Job {
   public:
    void begin(int64_t tasks, int threads, const Body& body) {
        body_ = &body;
        threads_ = threads;
        stop_.store(false, std::memory_order_relaxed);
        while (int(ranges_.size()) < threads) ranges_.push_back(std::make_unique<Range>());
        int64_t first = 0;
        for (int t = 0; t < threads; ++t) {
            Range& range = *ranges_[size_t(t)];
            range.next.store(first, std::memory_order_relaxed);
            first += tasks / threads + (t < tasks % threads);
            range.end = first;
        }
    }

    // A thread's own tasks first, then what others have left, the next thread's before those further on.
    void work(int thread) {
        for (int i = 0; i < threads_; ++i) {
            Range& range = *ranges_[size_t((thread + i) % threads_)];
            while (!stop_.load(std::memory_order_relaxed)) {
                if (range.next.load(std::memory_order_relaxed) >= range.end) break;
                const int64_t task = range.next.fetch_add(1, std::memory_order_relaxed);
                if (task >= range.end) break;
                if (!(*body_)(task, thread)) stop_.store(true, std::memory_order_relaxed);
            }
        }
    }
    bool stopped() const { return stop_.load(std::memory_order_relaxed); }

   private:
    struct alignas(64) Range {
        std::atomic<int64_t> next;
        int64_t end;
    };
    const Body* body_ = nullptr;
    int threads_ = 0;
    std::atomic<bool> stop_{false};
    std::vector<std::unique_ptr<Range>> ranges_;
};

// Keeps a sleeping thread from being woken on the waker's own processor, as Linux does now and then though another is idle
// (it gives up the search early where few processors share a cache). The thread would then wait there for milliseconds,
// until the waker's slice ends, while the waker does all the work.
class Berth {
   public:
#if defined(__linux__)
    // By the thread itself, before it sleeps and after.
    void asleep() {
        if (pthread_getaffinity_np(pthread_self(), sizeof allowed_, &allowed_) == 0)
            state_.store(asleep_, std::memory_order_release);
    }
    void awake() {
        State state = asleep_;
        while (!state_.compare_exchange_weak(state, awake_, std::memory_order_acquire)) {
            if (state == awake_) return;
            if (state == moving_) std::this_thread::yield(), state = moved_;
        }
        if (state == moved_) pthread_setaffinity_np(pthread_self(), sizeof allowed_, &allowed_);
    }
    // By the waker, before it offers work to `thread`.
    void leave_to(std::thread::native_handle_type thread) {
        State state = asleep_;
        if (state_.load(std::memory_order_relaxed) != asleep_ ||
            !state_.compare_exchange_strong(state, moving_, std::memory_order_acquire))
            return;
        const int here = sched_getcpu();
        cpu_set_t others = allowed_;
        if (here >= 0) CPU_CLR(size_t(here), &others);
        const bool moved = CPU_COUNT(&others) > 0 && pthread_setaffinity_np(thread, sizeof others, &others) == 0;
        state_.store(moved ? moved_ : asleep_, std::memory_order_release);
    }

   private:
    enum State : int { awake_, asleep_, moving_, moved_ };
    std::atomic<State> state_{awake_};
    cpu_set_t allowed_;
#else
    void asleep() {}
    void awake() {}
    void leave_to(std::thread::native_handle_type) {}
#endif
};

// A thread that waits for jobs. Its state counts: two low bits say where it is in the job whose number is in the others.
class alignas(64) Worker {
   public:
    Worker(Job& job, int index) : job_(job), index_(index) {
        std::thread thread([this] { run(); });
        handle_ = thread.native_handle();
        thread.detach();
    }

    void offer() {
        berth_.leave_to(handle_);
        number_ += 4;
        state_.store(number_ + offered, std::memory_order_release);
        state_.notify_one();
    }
    // Takes the offer back if it was not accepted yet, else waits until the worker is done with the job.
    void withdraw() {
        uint32_t state = number_ + offered;
        if (state_.compare_exchange_strong(state, number_ + idle, std::memory_order_acquire)) return;
        const auto done = [this] { return state_.load(std::memory_order_acquire) == number_ + idle; };
        if (spin_until(done)) return;
        while (!done()) state_.wait(number_ + working, std::memory_order_acquire);
    }

   private:
    enum : uint32_t { idle, offered, working };

    void run() {
        for (;;) {
            uint32_t state = state_.load(std::memory_order_relaxed);
            if (state % 4 != offered) {
                if (spin_until([&] { return (state = state_.load(std::memory_order_relaxed)) % 4 == offered; })) continue;
                berth_.asleep();
                state_.wait(state, std::memory_order_relaxed);
                berth_.awake();
                continue;
            }
            if (!state_.compare_exchange_strong(state, state - offered + working, std::memory_order_acquire)) continue;
            job_.work(index_);
            state_.store(state - offered + idle, std::memory_order_release);
            state_.notify_one();
        }
    }

    Job& job_;
    const int index_;
    Berth berth_;
    std::thread::native_handle_type handle_;
    uint32_t number_ = 0;
    std::atomic<uint32_t> state_{idle};
};

class Team {
   public:
    bool run(int64_t tasks, int threads, const Body& body) {
        // Not a mutex: a signal handler that an interrupted call runs may call again, on the same thread.
        if (threads <= 1 || busy_.exchange(true, std::memory_order_acquire)) return alone(tasks, body);
        hire(threads - 1);
        threads = std::min(threads, int(workers_.size()) + 1);
        job_.begin(tasks, threads, body);
        for (int i = 0; i + 1 < threads; ++i) workers_[size_t(i)]->offer();
        job_.work(0);
        for (int i = 0; i + 1 < threads; ++i) workers_[size_t(i)]->withdraw();
        const bool done = !job_.stopped();
        busy_.store(false, std::memory_order_release);
        return done;
    }

   private:
    static bool alone(int64_t tasks, const Body& body) {
        for (int64_t task = 0; task < tasks; ++task)
            if (!body(task, 0)) return false;
        return true;
    }
    void hire(int count) {
        try {
            while (int(workers_.size()) < count)
                workers_.push_back(std::make_unique<Worker>(job_, int(workers_.size()) + 1));
        } catch (const std::system_error&) {  // the system gives no more threads: those that are there do the work
        }
    }

    std::atomic<bool> busy_{false};
    Job job_;
    std::vector<std::unique_ptr<Worker>> workers_;
};

// Never destroyed: its threads wait for work until the process ends.
std::atomic<Team*> the_team{nullptr};

Team& team() {
    if (Team* t = the_team.load(std::memory_order_acquire)) return *t;
#if defined(FASTCONV_HAS_FORK)
    // Threads do not survive fork(); a child begins without a team.
    static const int registered = pthread_atfork(nullptr, nullptr, [] { the_team.store(nullptr); });
    (void)registered;
#endif
    Team* none = nullptr;
    auto made = std::make_unique<Team>();
    if (the_team.compare_exchange_strong(none, made.get(), std::memory_order_acq_rel)) return *made.release();
    return *none;
}

}  // namespace

bool run_team(int64_t tasks, int threads, FunctionRef<bool(int64_t, int)> body) { return team().run(tasks, threads, body); }

}  // namespace fastconv
