// Products of row-major matrices, each computed by the thread that asks for it.
#pragma once

#include <cstdint>

namespace scimind {

struct Matrix {
  const float* data;
  int64_t stride;         // floats from one row to the next
  bool transposed = false;
};

// C [m, n] = A [m, k] B [k, n], or C += where `accumulate`; the sizes are those after transposing.
void multiply(int64_t m, int64_t n, int64_t k, Matrix a, Matrix b, bool accumulate, float* c, int64_t c_stride);

// The same by this library's own code, whatever was given to `scimind_use_sgemm`.
void multiply_blocked(int64_t m, int64_t n, int64_t k, Matrix a, Matrix b, bool accumulate, float* c,
                      int64_t c_stride);

// C [m, n] = A B^T for few rows m, where reading B is all the work: row i of A is a[i], B is [n, k].
void multiply_few(int64_t m, int64_t n, int64_t k, const float* const* a, const float* b, int64_t b_stride,
                  bool accumulate, float* c, int64_t c_stride);

// C [m, n] = A B, or C += where `accumulate`, for few rows m: B is [k, n]. A result has the same bits whatever m is.
void multiply_few_columns(int64_t m, int64_t n, int64_t k, const float* const* a, const float* b, int64_t b_stride,
                          bool accumulate, float* c, int64_t c_stride);

// The most rows that these take; with more, reading B is no longer what costs.
constexpr int64_t kFewRows = 12;

}  // namespace scimind

// `sgemm` is oneDNN's dnnl_sgemm, or null for this library's own product.
extern "C" void scimind_use_sgemm(void* sgemm);
