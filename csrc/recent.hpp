// The last few things made, by what they were made for: calls that resemble an earlier one need not plan anew.
#pragma once

#include <algorithm>
#include <list>
#include <memory>
#include <mutex>

namespace fastconv {

template <class Key, class Value>
class Recent {
   public:
    // What was made for an equal key, or else make() makes. It stays valid when it is forgotten here. Any thread may ask;
    // make must neither ask again nor wait for a thread that does.
    template <class Make>
    std::shared_ptr<const Value> get(const Key& key, const Make& make) {
        const std::lock_guard lock(mutex_);
        const auto known = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.key == key; });
        if (known != entries_.end()) {
            entries_.splice(entries_.begin(), entries_, known);
        } else {
            entries_.push_front({key, make()});
            if (entries_.size() > most) entries_.pop_back();
        }
        return entries_.front().value;
    }

   private:
    struct Entry {
        Key key;
        std::shared_ptr<const Value> value;
    };
    static constexpr size_t most = 16;

    std::mutex mutex_;
    std::list<Entry> entries_;  // the last one used comes first
};

}  // namespace fastconv
