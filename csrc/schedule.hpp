// What the plans of all operators share: tensors as strides, tasks on threads, what explain() tells.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "memory.hpp"
#include "parallel.hpp"
#include "problem.hpp"

namespace fastconv {

// What explain() tells.
struct PlanSummary {
    std::string tile;
    std::vector<std::pair<std::string, int64_t>> blocking;
    int64_t tasks = 0, workspace_bytes = 0;  // workspace: of one thread
    int threads = 1;
};

constexpr int64_t tasks_per_thread = 4;  // enough that threads finish together

inline int64_t parts_of(int64_t total, int64_t most) { return (total + most - 1) / most; }

TensorShape dense_tensor(const Problem&, int64_t channels, const Axes& size);

std::string tile_text(int64_t rows, const char* row, int64_t columns, const char* column);

// Threads worth starting for this many operations, of those available.
int worthwhile_threads(double operations, int available);

// Runs task(i, workspace) for every task, each thread with a workspace of its own, allocated before the team starts.
template <class F>
void run_tasks(const PlanSummary& s, const F& task) {
    const int64_t each = round_up(s.workspace_bytes, alignment);
    const Workspace workspace(each * s.threads);
    char* memory = workspace.data();
    if (s.threads == 1 && s.tasks == 1) return task(0, memory);
    parallel_for(s.tasks, s.threads, [&](int64_t i, int thread) { task(i, memory + thread * each); });
}

}  // namespace fastconv
