// Threads that share the work of one step: it is a row of phases, and a phase is a number of tasks of which every
// thread takes the next free one. A phase begins when all tasks of the one before are done.
//
// Nobody waits for a thread that sleeps: one that wakes late finds the phases done and passes them by. Waiting is
// spinning, as a phase takes some microseconds and waking a thread as long.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>

namespace scimind {
namespace decode {

class Phases {
 public:
  explicit Phases(int64_t count) : phases_(new Phase[count]) {}

  // Every thread calls this for every phase in turn, with the same `tasks`. `prepare()` is called before a thread's
  // first task of the phase, `work(task)` for each of its tasks; both only while the phase is not done.
  template <typename Prepare, typename Work>
  void share(int64_t phase, int64_t tasks, Prepare prepare, Work work) {
    Phase& shared = phases_[phase];
    bool is_prepared = false;
    while (shared.done.load(std::memory_order_relaxed) < tasks) {
      const int64_t task = shared.next.fetch_add(1, std::memory_order_relaxed);
      if (task >= tasks) break;
      if (!is_prepared) prepare();
      is_prepared = true;
      work(task);
      shared.done.fetch_add(1, std::memory_order_release);
    }
    for (int64_t spins = 0; shared.done.load(std::memory_order_acquire) < tasks; ++spins) rest(spins);
  }

 private:
  // On cache lines of its own.
  struct alignas(128) Phase {
    std::atomic<int64_t> next{0};
    alignas(64) std::atomic<int64_t> done{0};
  };

  static void rest(int64_t spins) {
    if (spins >= kSpins) return std::this_thread::sleep_for(std::chrono::microseconds(20));
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  // Some 50 microseconds; a longer wait means that another program has the processor of the thread waited for, which
  // may have this one's.
  static constexpr int64_t kSpins = 1000;
  std::unique_ptr<Phase[]> phases_;
};

}  // namespace decode
}  // namespace scimind
