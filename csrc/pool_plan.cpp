#include "pool_plan.hpp"

#include <algorithm>
#include <limits>

namespace fastconv {
namespace {

// So many rows are reduced one by one for each output row, more only where windows overlap less than so many times.
constexpr int64_t few_rows = 4, few_overlaps = 5;
constexpr int64_t few_taps = 4;               // of a line, times the stride, likewise
constexpr int64_t line_bytes = 16 << 10;      // a strip's line, and what is beside it, in the first-level cache
constexpr int64_t least_channels = 64;        // of a task, where windows are whole rows
constexpr double operations_per_byte = 6;     // what a byte costs, where threads are concerned
constexpr int64_t task_bytes = 64 << 10;      // of small planes, input and output
constexpr int64_t sliding_bytes = 224 << 10;  // a strip's rows, where they slide, in the second

bool windows_are_whole_rows(const Problem& p, const std::array<PoolTable, 3>& t) {
    const auto one_after_another = [](const PoolTable& axis) {
        return axis.dilation == 1 || std::all_of(axis.taps.begin(), axis.taps.end(), [](int64_t n) { return n <= 1; });
    };
    return p.output[2] == 1 && t[2].taps[0] == p.input[2] && one_after_another(t[1]);
}

// Of few columns, in planes with channels first, see kernels/pool_few.hpp.
bool taps_are_few(const Problem& p, const std::array<PoolTable, 3>& t) {
    const bool flat = std::all_of(t[0].taps.begin(), t[0].taps.end(), [](int64_t n) { return n == 1; });
    const bool columns = t[2].stride > 0 && t[2].stride <= few_stride && t[2].window <= few_columns && t[2].dilation == 1;
    return flat && columns && p.layout == Layout::channels_first;
}

bool rows_slide(const Problem& p, const PoolTable& t) {
    return t.stride && t.dilation == 1 && p.output[1] > 1 && t.window > few_rows && t.window >= few_overlaps * t.stride;
}

bool line_slides(const Problem& p, const PoolTable& t, int64_t inner) {
    if (!t.stride || p.output[2] == 1 || t.window == 1) return false;
    const bool picked_by_vectors = t.stride <= 2 || inner > 1;
    return !picked_by_vectors || t.window > few_taps * t.stride;
}

// Strips of columns so narrow that what a task works on stays in the cache, but at least twice as wide as the columns
// that neighbours both read.
template <class T>
int64_t strips_of(const Problem& p, const PoolArgs<T>& a, int64_t inner) {
    const PoolAxis& axis = a.axis[2];
    const int64_t stride = std::max<int64_t>(axis.stride, 1);
    const int64_t shared = axis.stride ? std::max<int64_t>((axis.window - 1) * axis.dilation + 1 - stride, 0) : 1;
    const int64_t column_bytes = inner * int64_t(sizeof(T)) * (p.indices ? 2 : 1);
    const int64_t columns =
        a.sliding_rows ? sliding_bytes / (column_bytes * (a.axis[1].window + 5)) : line_bytes / column_bytes;
    const int64_t outputs = (std::max(columns, 3 * shared) - shared) / stride;
    return parts_of(p.output[2], std::max<int64_t>(outputs, 1));
}

// Planes of a task: several small ones, so that what is common to them is done once, but enough tasks for all threads.
int64_t plane_blocks_of(int64_t planes, int64_t plane_bytes, int threads) {
    const int64_t together = std::max<int64_t>(task_bytes / plane_bytes, 1);
    return std::min(planes, std::max(parts_of(planes, together), threads == 1 ? 1 : tasks_per_thread * threads));
}

// Blocks of the output rows beside `others` that divide the work, so that threads finish together; where rows slide,
// those that neighbours both read are work done twice.
template <class T>
int64_t row_blocks_of(const PoolArgs<T>& a, int64_t others, int64_t rows, int threads) {
    if (threads == 1) return 1;
    const int64_t blocks = parts_of((a.sliding_rows ? 2 : tasks_per_thread) * threads, others);
    return std::clamp<int64_t>(blocks, 1, rows);
}

}  // namespace

PoolTable sliding_windows(const Problem& p, int axis) {
    PoolTable t;
    t.dilation = p.dilation[axis];
    t.stride = p.stride[axis];
    t.before = p.before[axis];
    t.window = p.kernel[axis];
    const int64_t size = p.input[axis], before = p.before[axis], k = p.kernel[axis];
    for (int64_t o = 0; o < p.output[axis]; ++o) {
        const int64_t begin = o * p.stride[axis] - before;
        const int64_t skipped = begin < 0 ? parts_of(-begin, t.dilation) : 0;
        const int64_t within = begin < size ? parts_of(size - begin, t.dilation) : 0;
        t.first.push_back(begin + skipped * t.dilation);
        t.taps.push_back(std::max<int64_t>(std::min(k, within) - skipped, 0));
        // Counting the padding, a window still ends where the padding does.
        t.divisor.push_back(p.count_include_pad ? std::min(k, size + p.after[axis] - begin) : t.taps.back());
    }
    return t;
}

PoolTable adaptive_windows(int64_t input, int64_t output) {
    PoolTable t;
    if (input % output == 0) t.stride = t.window = input / output;
    for (int64_t o = 0; o < output; ++o) {
        // floor and ceil of o * input / output without overflowing the product
        const int64_t whole = input / output, rest = input % output;
        const auto scaled = [&](int64_t i, int64_t round) {
            return i * whole + int64_t((__int128(i) * rest + round) / output);
        };
        t.first.push_back(scaled(o, 0));
        t.taps.push_back(scaled(o + 1, output - 1) - t.first.back());
        t.divisor.push_back(t.taps.back());
    }
    return t;
}

PoolPlan::PoolPlan(const Problem& p, std::array<PoolTable, 3> tables, const KernelTable& isa, int threads)
    : isa_(&isa), tables_(std::move(tables)) {
    const auto plan = [&]<class T>(PoolArgs<T>& a) {
        a.kind = p.op == Op::max_pool ? PoolKind::maximum : PoolKind::average;
        a.in = dense_tensor(p, p.ic, p.input);
        a.out = dense_tensor(p, p.oc, p.output);
        a.channels_first = p.layout == Layout::channels_first;
        a.channels = p.ic;
        a.fixed_divisor = p.divisor_override;
        a.with_indices = p.indices;
        for (size_t i = 0; i < 3; ++i) {
            const PoolTable& t = tables_[i];
            a.axis[i] = {t.first.data(), t.taps.data(), t.divisor.data(), t.dilation, t.stride, t.before, t.window};
        }
        summary_.threads = worthwhile_threads(operations_per_byte * p.computed_bytes(), threads);
        if (p.output_pixels() && p.ic && p.n) arrange(p, a);
        summary_.threads = int(std::clamp<int64_t>(summary_.threads, 1, std::max<int64_t>(summary_.tasks, 1)));
        summary_.tile = tile_text(1, "row", kernels_of<T>(isa).lanes, a.channels_first ? "pixels" : "channels");
    };
    with_type(p.dtype, [&]<class T>(T) { plan(args_.emplace<PoolArgs<T>>()); });
}

template <class T>
void PoolPlan::arrange(const Problem& p, PoolArgs<T>& a) {
    const int64_t inner = a.channels_first ? 1 : p.ic, rows = p.output[0] * p.output[1];
    constexpr int64_t most_numbers =
        sizeof(T) == 4 ? std::numeric_limits<int32_t>::max() : std::numeric_limits<int64_t>::max();
    a.wide_numbers = p.indices && p.input_pixels() * inner >= most_numbers;
    a.whole_rows = !a.wide_numbers && windows_are_whole_rows(p, tables_);
    const bool in_strips = !a.wide_numbers && !a.whole_rows;
    a.sliding_rows = in_strips && rows_slide(p, tables_[1]);
    a.few_taps = in_strips && !a.sliding_rows && !p.indices && taps_are_few(p, tables_);
    a.sliding_line = in_strips && !a.few_taps && line_slides(p, tables_[2], inner);
    a.strips = in_strips ? strips_of(p, a, inner) : 1;
    a.planes = a.channels_first ? p.n * p.ic : p.n;
    // Rows that slide are best left whole: strips are what threads share.
    if (a.sliding_rows && a.strips > 1 && a.planes % summary_.threads)
        a.strips = std::min<int64_t>(parts_of(a.strips, summary_.threads) * summary_.threads, p.output[2]);
    a.channel_blocks = a.whole_rows && inner > 1
                           ? std::min(parts_of(summary_.threads, a.planes * rows), parts_of(inner, least_channels))
                           : 1;
    const int64_t plane_bytes = (p.input_pixels() + p.output_pixels()) * inner * int64_t(sizeof(T));
    a.plane_blocks = a.wide_numbers ? a.planes : plane_blocks_of(a.planes, plane_bytes, summary_.threads);
    const int64_t others = a.plane_blocks * a.channel_blocks * a.strips;
    a.row_blocks = row_blocks_of(a, others, rows, summary_.threads);
    summary_.tasks = others * a.row_blocks;
    summary_.workspace_bytes = kernels_of<T>(*isa_->windows).pool_workspace(a);
    summary_.blocking = {
        {"row_blocks", a.row_blocks}, {"row_block", parts_of(rows, a.row_blocks)}, {"column_blocks", a.strips}};
}

void PoolPlan::run(const void* x, void* y, int64_t* indices) const {
    if (summary_.tasks == 0) return;
    std::visit(
        [&]<class T>(const PoolArgs<T>& planned) {
            PoolArgs<T> a = planned;
            a.x = static_cast<const T*>(x);
            a.y = static_cast<T*>(y);
            a.indices = indices;
            const auto kernel = kernels_of<T>(*isa_->windows).pool;
            run_tasks(summary_, 0, [&](int64_t task, char* workspace, char*) { kernel(a, task, workspace); });
        },
        args_);
}

}  // namespace fastconv
