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
    std::string input = "as it comes", tile;
    std::vector<std::pair<std::string, int64_t>> blocking;
    int64_t input_bytes = 0;                 // of copies of the input
    int64_t tasks = 0, workspace_bytes = 0;  // workspace: of one thread
    int threads = 1;
};

constexpr int64_t tasks_per_thread = 4;  // enough that threads finish together

inline int64_t parts_of(int64_t total, int64_t most) { return (total + most - 1) / most; }

TensorShape dense_tensor(const Problem&, int64_t channels, const Axes& size);

// Pixels of a 1x1 convolution form one long row.
void flatten(TensorShape&);

// A convolution in the terms of its kernels' arguments, forwards or backwards.
template <class Args>
void describe(const Problem& p, Args& a) {
    a.in = dense_tensor(p, p.ic, p.input);
    a.out = dense_tensor(p, p.oc, p.output);
    a.channels_first = p.layout == Layout::channels_first;
    a.batch = p.n;
    a.groups = p.groups;
    a.group_in = p.ic / p.groups;
    a.group_out = p.oc / p.groups;
    for (size_t i = 0; i < 3; ++i) {
        a.kernel[i] = p.kernel[i];
        a.step[i] = p.stride[i];
        a.dilation[i] = p.dilation[i];
        a.before[i] = p.before[i];
    }
}

std::string tile_text(int64_t rows, const char* row, int64_t columns, const char* column);

// Threads worth starting for this many operations, of those available.
int worthwhile_threads(double operations, int available);

// Runs task(i, workspace, own) for every task, each thread with a workspace of its own and `own_bytes` beside it, which
// begin with the number -1; allocated before the team starts.
template <class F>
void run_tasks(const PlanSummary& s, int64_t own_bytes, const F& task) {
    const int64_t workspace_bytes = round_up(s.workspace_bytes, alignment);
    const int64_t each = workspace_bytes + round_up(own_bytes, alignment);
    const Workspace workspace(each * s.threads);
    char* memory = workspace.data();
    if (own_bytes)
        for (int i = 0; i < s.threads; ++i) *reinterpret_cast<int64_t*>(memory + i * each + workspace_bytes) = -1;
    const auto run = [&](int64_t i, int thread) {
        char* mine = memory + thread * each;
        task(i, mine, mine + workspace_bytes);
    };
    if (s.threads == 1 && s.tasks == 1) return run(0, 0);
    parallel_for(s.tasks, s.threads, run);
}

}  // namespace fastconv
