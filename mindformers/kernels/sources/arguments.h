// What MindSpore's `Custom` operator hands to an entry point, and what every entry point is wrapped in.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <initializer_list>

namespace scimind {

constexpr int kSuccess = 0, kFailure = 1;

// What MindSpore hands over: inputs, then outputs.
struct Arguments {
  int count;
  void** data;
  int* ranks;
  int64_t** shapes;
  const char** types;

  bool is(int i, const char* type, std::initializer_list<int64_t> shape) const {
    if (std::strcmp(types[i], type) != 0 || ranks[i] != static_cast<int>(shape.size())) return false;
    int axis = 0;
    for (int64_t size : shape) {
      if (shapes[i][axis++] != size) return false;
    }
    return true;
  }
  template <typename T>
  T* at(int i) const {
    return static_cast<T*>(data[i]);
  }
};

constexpr char kFloat[] = "float32", kInt[] = "int32", kBool[] = "bool";

// No exception may leave for MindSpore's own code.
template <typename Work>
int guarded(const char* name, Work work) {
  try {
    if (work()) return kSuccess;
    std::fprintf(stderr, "%s: unexpected shapes or types\n", name);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", name, error.what());
  }
  return kFailure;
}

}  // namespace scimind

#define SCIMIND_OPERATOR(name, call)                                                                            \
  extern "C" int name(int count, void** data, int* ranks, int64_t** shapes, const char** types, void*, void*) { \
    const scimind::Arguments arguments{count, data, ranks, shapes, types};                                               \
    return scimind::guarded(#name, [&] { return call; });                                                                \
  }
