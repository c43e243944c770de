// Weights rounded to bytes: a quarter of the memory to read, and answers that are nearly right.
#pragma once

#include <cstdint>

#include "decode_rows.h"

namespace scimind {
namespace decode {

// The weights of a product, [out, in], as the network holds them or rounded.
struct Weight {
  Weight(const float* floats = nullptr) : floats(floats) {}

  const float* floats;
  const int8_t* bytes = nullptr;   // [out, byte_stride(in)]; where there are any, `floats` are not read
  const float* scales = nullptr;   // [out]: a weight is about scale * byte
};

// Bytes from one row to the next: whole cache lines, zero behind the row's end.
inline int64_t byte_stride(int64_t width) { return (width + 63) / 64 * 64; }

// floats [outputs, width] to bytes, whose padding is left alone, and scales.
void round_weights(const float* floats, int64_t outputs, int64_t width, int8_t* bytes, float* scales);

// As `multiply_rows`, with rows [first, first + n) of a weight. Rounded ones are multiplied in float32, and a result's
// bits depend on m.
void multiply(int64_t m, int64_t n, const float* const* a, const Weight& weight, int64_t first, int64_t width,
              const Run* runs, int64_t num_runs, bool accumulate, float* c, int64_t c_stride);

}  // namespace decode
}  // namespace scimind
