// Operators that need no plan and move elements between images and windows: gradients of pooling, unpooling, columns of
// windows, borders. Arrays are dense in the layout of their problem.
#pragma once

#include <array>
#include <vector>

#include "boundary.hpp"
#include "kernels/window_args.hpp"
#include "pool_plan.hpp"

namespace fastconv {

// The gradient of an average pooling by these windows: `from` like its output, `to` like its input.
void run_average_gradient(const Problem&, const std::array<PoolTable, 3>& windows, const void* from, void* to);

// Elements of planes whose places in planes of so many pixels are given by flat indices.
struct IndexedPlanes {
    DType dtype;
    int64_t planes, indexed, pixels, inner;  // inner: neighbouring elements of a pixel
};
enum class IndexedMove { scatter, scatter_add, gather };
// Indices are looked at before they are used: returns which is the first that is not within low <= i < pixels, or how many
// there are. If there is one, what `to` holds then is of no use.
int64_t run_indexed(IndexedMove, const IndexedPlanes&, int64_t low, const void* from, const int64_t* indices, void* to);
// The same without moving anything.
int64_t find_outside(const IndexedPlanes&, int64_t low, const int64_t* indices);

// The columns of a problem's windows, see window_args.hpp; fold adds them back into an image.
void run_unfold(const Problem&, const void* image, void* columns);
void run_fold(const Problem&, const void* columns, void* image);

// y = |x|^e; y /= |x|^e, zero where x is; y *= sign(x) |x|^e
enum class PowerOp { power, divide, multiply };
void run_power(PowerOp, DType, const void* x, void* y, int64_t count, double exponent);

// A border around images: a problem's padding in its mode. `sorted` says that the phases of the images, channels first, are
// sorted too (phases.hpp).
class Border {
   public:
    Border(const Problem&, const KernelTable&, int threads, bool sorted = false);
    Border(const Border&) = delete;  // its arguments point into its tables
    Border& operator=(const Border&) = delete;

    const Axes& padded() const { return padded_; }
    void pad(int64_t images, const void* from, void* to) const;
    void add_back(int64_t images, const void* from, void* to) const;  // the gradient

   private:
    void find_runs(int64_t step);
    template <class T>
    BorderArgs<T> arguments(const void* from, void* to) const;

    const KernelTable* isa_;
    int threads_;
    DType dtype_;
    int64_t planes_;  // of an image
    Plane plane_, padded_plane_;
    int64_t before_;
    Axes padded_;
    std::vector<int64_t> shown_[3];  // by each padded position
    std::vector<ColumnRun> runs_;
    int64_t step_;  // between the columns that a run shows
};

}  // namespace fastconv
