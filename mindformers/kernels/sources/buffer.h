// Memory for intermediate values: uninitialised, aligned, on huge pages where it is large.
#pragma once

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <new>

namespace scimind {

class Buffer {
 public:
  explicit Buffer(int64_t floats) {
    constexpr size_t kHugePage = size_t{1} << 21;
    const size_t bytes = static_cast<size_t>(floats > 0 ? floats : 1) * sizeof(float);
    const size_t alignment = bytes >= kHugePage ? kHugePage : 64;
    // Not aligned_alloc, which wants the size rounded up: the sanitizers shall see a step beyond the last element.
    void* place = nullptr;
    if (posix_memalign(&place, alignment, bytes) != 0) throw std::bad_alloc();
    data_ = static_cast<float*>(place);
    // Advice only: page by page, the first touch of a fresh buffer costs as much as filling it.
    if (alignment == kHugePage) madvise(data_, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
  }
  ~Buffer() { std::free(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  float* data() { return data_; }
  operator float*() { return data_; }

 private:
  float* data_;
};

}  // namespace scimind
