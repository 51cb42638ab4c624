#include "weight_memory.hpp"

#include <iterator>
#include <map>
#include <memory>
#include <mutex>

#include "memory.hpp"

// Not with a sanitizer, which sees where malloc's blocks end.
#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__)
#define FASTCONV_HUGE_PAGES 1
#include <sys/mman.h>
#endif

namespace fastconv {
namespace {

constexpr int64_t page = 64 << 10;  // no system has larger small ones
#ifdef FASTCONV_HUGE_PAGES
constexpr int64_t huge_page = 2 << 20;
constexpr int64_t region_bytes = 32 << 20;  // of one that several blocks share
#else
constexpr int64_t region_bytes = 0;
#endif

// Untouched memory of huge pages, as far as the system has any left; elsewhere a block of malloc's. Of the last
// huge page no more than needed is mapped, so that it consists of small ones.
class Region {
   public:
    explicit Region(int64_t bytes) : size_(bytes) {
#ifdef FASTCONV_HUGE_PAGES
        void* mapped = mmap(nullptr, size_t(bytes + huge_page), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (mapped == MAP_FAILED) throw std::bad_alloc();
        char* const begin = static_cast<char*>(mapped);
        data_ = reinterpret_cast<char*>(round_up(reinterpret_cast<intptr_t>(begin), huge_page));
        if (data_ != begin) munmap(begin, size_t(data_ - begin));
        if (const int64_t rest = begin + huge_page - data_; rest > 0) munmap(data_ + bytes, size_t(rest));
        madvise(data_, size_t(bytes), MADV_HUGEPAGE);  // where it fails there are small pages
#else
        buffer_ = Buffer(bytes);
        data_ = static_cast<char*>(buffer_.data());
#endif
    }
    Region(const Region&) = delete;
    Region& operator=(const Region&) = delete;
    ~Region() {
#ifdef FASTCONV_HUGE_PAGES
        munmap(data_, size_t(size_));
#endif
    }
    char* data() const { return data_; }
    int64_t size() const { return size_; }

   private:
    int64_t size_;
    char* data_ = nullptr;
#ifndef FASTCONV_HUGE_PAGES
    Buffer buffer_;
#endif
};

// Regions with what is free in them, by address; neighbours that are free are one range.
class Regions {
   public:
    char* take(int64_t bytes) {
        const std::lock_guard lock(mutex_);
        auto fitting = free_.end();
        for (auto range = free_.begin(); range != free_.end(); ++range)
            if (range->second >= bytes && (fitting == free_.end() || range->second < fitting->second)) fitting = range;
        if (fitting == free_.end()) fitting = add_region(bytes);
        const auto [begin, size] = *fitting;
        free_.erase(fitting);
        if (size > bytes) free_.emplace(begin + bytes, size - bytes);
        return begin;
    }

    void give_back(char* begin, int64_t bytes) {
        const std::lock_guard lock(mutex_);
        auto region = std::prev(regions_.upper_bound(begin));
        auto next = free_.lower_bound(begin);
        if (next != free_.end() && begin + bytes == next->first && next->first < region->first + region->second->size()) {
            bytes += next->second;
            next = free_.erase(next);
        }
        if (next != free_.begin()) {
            const auto previous = std::prev(next);
            if (previous->first + previous->second == begin && previous->first >= region->first) {
                begin = previous->first;
                bytes += previous->second;
                free_.erase(previous);
            }
        }
        if (bytes == region->second->size())
            regions_.erase(region);
        else
            free_.emplace(begin, bytes);
    }

   private:
    std::map<char*, int64_t>::iterator add_region(int64_t bytes) {
        // What fills most of a region gets one of its own, of just its size.
        const int64_t own = region_bytes ? round_up(bytes, page) : bytes;
        auto region = std::make_unique<Region>(2 * bytes > region_bytes ? own : region_bytes);
        char* const data = region->data();
        return free_.emplace(data, regions_.emplace(data, std::move(region)).first->second->size()).first;
    }

    std::mutex mutex_;
    std::map<char*, std::unique_ptr<Region>> regions_;
    std::map<char*, int64_t> free_;
};

// Never destroyed: objects that hold blocks may live as long as the process.
Regions& regions() {
    static Regions& all = *new Regions;
    return all;
}

}  // namespace

WeightMemory::WeightMemory(int64_t bytes) : size_(round_up(bytes, alignment)) {
    if (size_ > 0) data_ = regions().take(size_);
}

WeightMemory::~WeightMemory() {
    if (data_) regions().give_back(static_cast<char*>(data_), size_);
}

}  // namespace fastconv
