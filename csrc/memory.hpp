// Memory aligned for vectors: buffers that a plan keeps, and the workspace of the calling thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

namespace fastconv {

constexpr int64_t alignment = 64;  // a cache line, and the widest vector
inline int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

class Buffer {
   public:
    Buffer() = default;
    explicit Buffer(int64_t bytes) : size_(round_up(bytes, alignment)) {
        if (size_ == 0) return;
        // Aligned here: glibc's aligned_alloc does not reuse small blocks the fast way that malloc does.
        block_ = std::malloc(size_t(size_ + alignment));
        if (!block_) throw std::bad_alloc();
        data_ = reinterpret_cast<void*>(round_up(reinterpret_cast<intptr_t>(block_), alignment));
    }
    Buffer(Buffer&& other) noexcept { swap(other); }
    Buffer& operator=(Buffer&& other) noexcept {
        swap(other);
        return *this;
    }
    ~Buffer() { std::free(block_); }

    void* data() const { return data_; }
    int64_t size() const { return size_; }

   private:
    void swap(Buffer& other) {
        std::swap(block_, other.block_);
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
    }

    void* block_ = nullptr;  // what malloc gave
    void* data_ = nullptr;   // the first aligned address within
    int64_t size_ = 0;
};

// Memory for the time of a call, kept by the calling thread for its next calls, since fresh pages are slow, unless it is
// large. A call may have several, and a signal handler that runs within it calls of its own: each takes what nobody has.
// Allocated before any parallel region begins, where running out of memory can still become an exception.
class Workspace {
   public:
    explicit Workspace(int64_t bytes) {
        Buffer* fitting = nullptr;
        for (Buffer& b : kept())
            if (b.size() >= bytes && (!fitting || b.size() < fitting->size())) fitting = &b;
        own_ = fitting ? std::move(*fitting) : Buffer(bytes);
    }
    ~Workspace() {
        if (own_.size() > most_kept) return;
        Buffer* smallest = kept();
        for (Buffer& b : kept())
            if (b.size() < smallest->size()) smallest = &b;
        if (smallest->size() < own_.size()) *smallest = std::move(own_);
    }
    Workspace(const Workspace&) = delete;
    Workspace& operator=(const Workspace&) = delete;
    char* data() const { return static_cast<char*>(own_.data()); }

   private:
    static constexpr int64_t most_kept = 48 << 20;
    using Kept = Buffer[4];
    static Kept& kept() {
        thread_local Kept buffers;
        return buffers;
    }
    Buffer own_;
};

}  // namespace fastconv
