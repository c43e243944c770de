// Memory for intermediate values: uninitialised, aligned, on huge pages where it is large.
#pragma once

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

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

// Memory that a call gives back for the next one: to touch fresh memory costs as much as to fill it. Calls at the same
// time have their own, of which one is kept.
class KeptBuffer {
 public:
  explicit KeptBuffer(int64_t floats) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (kept_ && kept_size_ >= floats) {
      buffer_ = std::move(kept_), size_ = kept_size_;
    } else {
      kept_.reset();
    }
    if (!buffer_) buffer_ = std::make_unique<Buffer>(floats), size_ = floats;
  }
  ~KeptBuffer() {
    const std::lock_guard<std::mutex> lock(mutex_);
    kept_ = std::move(buffer_), kept_size_ = size_;
  }
  KeptBuffer(const KeptBuffer&) = delete;
  KeptBuffer& operator=(const KeptBuffer&) = delete;

  float* data() { return buffer_->data(); }

 private:
  inline static std::mutex mutex_;
  inline static std::unique_ptr<Buffer> kept_;
  inline static int64_t kept_size_ = 0;

  std::unique_ptr<Buffer> buffer_;
  int64_t size_ = 0;
};

}  // namespace scimind
