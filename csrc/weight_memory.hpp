// Memory for packed weights. They are read from beginning to end, once a call, and those of a whole network seldom lie in
// the caches: from pages of 4 KiB, at whose ends every prefetcher stops, two threads got 23 GB/s, from huge ones 43 (128
// MiB, Intel Xeon, Sapphire Rapids, November 2026). So blocks of all sizes share regions of huge pages where the system has
// them.
#pragma once

#include <cstdint>
#include <utility>

namespace fastconv {

class WeightMemory {
   public:
    WeightMemory() = default;
    explicit WeightMemory(int64_t bytes);  // aligned for vectors; throws std::bad_alloc
    WeightMemory(WeightMemory&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(other.size_) {}
    WeightMemory& operator=(WeightMemory&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~WeightMemory();

    void* data() const { return data_; }
    int64_t size() const { return size_; }

   private:
    void* data_ = nullptr;
    int64_t size_ = 0;
};

}  // namespace fastconv
