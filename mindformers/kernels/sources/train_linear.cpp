#include <algorithm>

#include "gemm.h"
#include "tiles.h"
#include "train.h"

namespace scimind {

namespace {

// Tiles of the result: large enough for the product's full speed, and of a size that depends on no number of threads.
constexpr int64_t kTileRows = 256, kTileColumns = 512;

Matrix shifted(Matrix m, int64_t line) {
  m.data += m.transposed ? line : line * m.stride;
  return m;
}

Matrix shifted_columns(Matrix m, int64_t column) {
  m.data += m.transposed ? column * m.stride : column;
  return m;
}

// C [m, n] = A [m, k] B [k, n], by all threads.
void multiply_all(int64_t m, int64_t n, int64_t k, Matrix a, Matrix b, float* c) {
  if (suits_tiles(m, n, k)) return multiply_by_tiles(m, n, k, a, b, false, c, n, true);
  const int64_t down = (m + kTileRows - 1) / kTileRows, across = (n + kTileColumns - 1) / kTileColumns;
#pragma omp parallel for schedule(dynamic, 1) if (down * across > 1)
  for (int64_t tile = 0; tile < down * across; ++tile) {
    const int64_t row = tile / across * kTileRows, column = tile % across * kTileColumns;
    multiply(std::min(kTileRows, m - row), std::min(kTileColumns, n - column), k, shifted(a, row),
             shifted_columns(b, column), false, c + row * n + column, n);
  }
}

}  // namespace

void linear_forward(int64_t rows, int64_t in, int64_t out, const float* x, const float* weight, float* y) {
  multiply_all(rows, out, in, {x, in}, {weight, in, true}, y);
}

void linear_input_gradient(int64_t rows, int64_t in, int64_t out, const float* dy, const float* weight, float* dx) {
  multiply_all(rows, in, out, {dy, out}, {weight, in}, dx);
}

void linear_weight_gradient(int64_t rows, int64_t in, int64_t out, const float* dy, const float* x, float* dweight) {
  multiply_all(out, in, rows, {dy, out, true}, {x, in}, dweight);
}

}  // namespace scimind
