// Sixteen floats at a time, in the compiler's vector types: one source for AVX-512, AVX2 and NEON.
#pragma once

#include <cstdint>
#include <cstring>

#define SCIMIND_INLINE inline __attribute__((always_inline))

namespace scimind {

constexpr int64_t kLanes = 16;

typedef float Vec __attribute__((vector_size(64)));
typedef int32_t IntVec __attribute__((vector_size(64)));

SCIMIND_INLINE Vec load(const float* from) {
  Vec v;
  std::memcpy(&v, from, sizeof(v));
  return v;
}

SCIMIND_INLINE void store(float* to, Vec v) { std::memcpy(to, &v, sizeof(v)); }

// Keeps GCC from reading a value again from memory for each of its uses.
SCIMIND_INLINE void hold(Vec& v) {
#ifdef __AVX512F__
  asm("" : "+v"(v));
#else
  (void)v;
#endif
}

// The first `count` < 16 floats; the other lanes are zero and their memory is not touched.
SCIMIND_INLINE Vec load_part(const float* from, int64_t count) {
  Vec v = {};
  std::memcpy(&v, from, count * sizeof(float));
  return v;
}

SCIMIND_INLINE void store_part(float* to, Vec v, int64_t count) { std::memcpy(to, &v, count * sizeof(float)); }

// Sum of the lanes, always in the same tree.
SCIMIND_INLINE float total(Vec v) {
  typedef float Half __attribute__((vector_size(32)));
  typedef float Quarter __attribute__((vector_size(16)));
  Half halves[2];
  std::memcpy(halves, &v, sizeof(v));
  Half half = halves[0] + halves[1];
  Quarter quarters[2];
  std::memcpy(quarters, &half, sizeof(half));
  Quarter quarter = quarters[0] + quarters[1];
  return (quarter[0] + quarter[1]) + (quarter[2] + quarter[3]);
}

SCIMIND_INLINE Vec fill(float value) { return Vec{} + value; }

// The largest of the lanes.
SCIMIND_INLINE float largest_lane(Vec v) {
  typedef float Half __attribute__((vector_size(32)));
  typedef float Quarter __attribute__((vector_size(16)));
  Half halves[2];
  std::memcpy(halves, &v, sizeof(v));
  const Half half = halves[0] > halves[1] ? halves[0] : halves[1];
  Quarter quarters[2];
  std::memcpy(quarters, &half, sizeof(half));
  const Quarter quarter = quarters[0] > quarters[1] ? quarters[0] : quarters[1];
  const float even = quarter[0] > quarter[2] ? quarter[0] : quarter[2];
  const float odd = quarter[1] > quarter[3] ? quarter[1] : quarter[3];
  return even > odd ? even : odd;
}

// The largest of at least one value.
inline float largest(const float* values, int64_t count) {
  float most = values[0];
  if (count >= kLanes) {
    Vec lanes = load(values);
    for (int64_t i = kLanes; i + kLanes <= count; i += kLanes) {
      const Vec v = load(values + i);
      lanes = v > lanes ? v : lanes;
    }
    most = largest_lane(lanes);
  }
  for (int64_t i = count / kLanes * kLanes; i < count; ++i) most = values[i] > most ? values[i] : most;
  return most;
}

// e^x within 2 units in the last place for |x| <= 87, clamped beyond; NaN stays NaN.
SCIMIND_INLINE Vec exponential(Vec x) {
  x = x < fill(-87.0f) ? fill(-87.0f) : x;
  x = x > fill(87.0f) ? fill(87.0f) : x;
  // Adding 1.5 * 2^23 rounds to the nearest integer and leaves it in the low bits.
  const Vec shifter = fill(12582912.0f);
  const Vec shifted = x * 1.44269504089f + shifter;
  const Vec power = shifted - shifter;
  Vec r = x - power * 0.693359375f;
  r = r + power * 2.12194440e-4f;
  Vec series = fill(1.9875691500e-4f);
  series = series * r + 1.3981999507e-3f;
  series = series * r + 8.3334519073e-3f;
  series = series * r + 4.1665795894e-2f;
  series = series * r + 1.6666665459e-1f;
  series = series * r + 5.0000001201e-1f;
  series = series * r * r + r + 1.0f;
  IntVec bits;
  std::memcpy(&bits, &shifted, sizeof(bits));
  bits = (bits - 0x4B400000 + 127) << 23;
  Vec scale;
  std::memcpy(&scale, &bits, sizeof(scale));
  return series * scale;
}

SCIMIND_INLINE Vec sigmoid(Vec x) { return 1.0f / (1.0f + exponential(-x)); }

}  // namespace scimind
