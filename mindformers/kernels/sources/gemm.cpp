#include "gemm.h"

#include <algorithm>
#include <atomic>

#include "buffer.h"
#include "tiles.h"
#include "vec.h"

namespace scimind {
namespace {

// dnnl_sgemm(transa, transb, M, N, K, alpha, A, lda, B, ldb, beta, C, ldc), row-major; zero means success.
using Sgemm = int (*)(char, char, int64_t, int64_t, int64_t, float, const float*, int64_t, const float*, int64_t,
                      float, float*, int64_t);
std::atomic<Sgemm> given_sgemm{nullptr};

// A tile of C is kept in registers: 32 of them with AVX-512, fewer and narrower ones elsewhere.
#ifdef __AVX512F__
constexpr int64_t kTileRows = 12, kTileVecs = 2;
#else
constexpr int64_t kTileRows = 6, kTileVecs = 1;
#endif
constexpr int64_t kTileColumns = kTileVecs * kLanes;
// Packed pieces: of A kBlockRows x kDepth floats, which stay in L2, of B kDepth x kBlockColumns.
constexpr int64_t kDepth = 256, kBlockRows = 12 * kTileRows, kBlockColumns = 16 * kTileColumns;

// `count` <= kWidth lines of a matrix from `begin` on, interleaved: to[p * kWidth + i] is element p of line i. Lines
// are columns of what is stored where `lines_are_columns`, else rows.
template <int64_t kWidth>
void pack_panel(const Matrix& m, bool lines_are_columns, int64_t begin, int64_t count, int64_t depth_begin,
                int64_t depth, float* to) {
  if (count < kWidth) std::fill_n(to, depth * kWidth, 0.0f);
  if (lines_are_columns) {
    const float* from = m.data + depth_begin * m.stride + begin;
    for (int64_t p = 0; p < depth; ++p) std::copy_n(from + p * m.stride, count, to + p * kWidth);
    return;
  }
  // Sixteen elements of every line in turn: whole cache lines are read, and what is written stays in L1.
  const float* from = m.data + begin * m.stride + depth_begin;
  for (int64_t first = 0; first < depth; first += kLanes) {
    const int64_t end = std::min(depth, first + kLanes);
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t p = first; p < end; ++p) to[p * kWidth + i] = from[i * m.stride + p];
    }
  }
}

// Rows of A in panels of kTileRows, each stored column by column; missing rows are zero.
void pack_rows(const Matrix& a, int64_t row, int64_t rows, int64_t depth_begin, int64_t depth, float* to) {
  for (int64_t panel = 0; panel < rows; panel += kTileRows, to += depth * kTileRows) {
    pack_panel<kTileRows>(a, a.transposed, row + panel, std::min(kTileRows, rows - panel), depth_begin, depth, to);
  }
}

// Columns of B in panels of kTileColumns, each stored row by row; missing columns are zero.
void pack_columns(const Matrix& b, int64_t column, int64_t columns, int64_t depth_begin, int64_t depth, float* to) {
  for (int64_t panel = 0; panel < columns; panel += kTileColumns, to += depth * kTileColumns) {
    const int64_t width = std::min(kTileColumns, columns - panel);
    pack_panel<kTileColumns>(b, !b.transposed, column + panel, width, depth_begin, depth, to);
  }
}

void add_tile(int64_t depth, const float* a, const float* b, bool accumulate, float* c, int64_t c_stride,
              int64_t rows, int64_t columns) {
  Vec sums[kTileRows][kTileVecs] = {};
  for (int64_t p = 0; p < depth; ++p, a += kTileRows, b += kTileColumns) {
    Vec right[kTileVecs];
#pragma GCC unroll 2
    for (int64_t v = 0; v < kTileVecs; ++v) right[v] = load(b + v * kLanes);
#pragma GCC unroll 12
    for (int64_t i = 0; i < kTileRows; ++i) {
#pragma GCC unroll 2
      for (int64_t v = 0; v < kTileVecs; ++v) sums[i][v] += a[i] * right[v];
    }
  }
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t v = 0; v * kLanes < columns; ++v) {
      float* to = c + i * c_stride + v * kLanes;
      const int64_t width = std::min(kLanes, columns - v * kLanes);
      const Vec before = !accumulate ? Vec{} : width == kLanes ? load(to) : load_part(to, width);
      if (width == kLanes) {
        store(to, before + sums[i][v]);
      } else {
        store_part(to, before + sums[i][v], width);
      }
    }
  }
}

void clear(int64_t m, int64_t n, float* c, int64_t c_stride) {
  for (int64_t i = 0; i < m; ++i) std::fill_n(c + i * c_stride, n, 0.0f);
}

}  // namespace

void multiply_blocked(int64_t m, int64_t n, int64_t k, Matrix a, Matrix b, bool accumulate, float* c,
                      int64_t c_stride) {
  Buffer rows(kBlockRows * kDepth), columns(kDepth * kBlockColumns);
  if (k == 0 && !accumulate) clear(m, n, c, c_stride);
  for (int64_t column = 0; column < n; column += kBlockColumns) {
    const int64_t num_columns = std::min(kBlockColumns, n - column);
    for (int64_t p = 0; p < k; p += kDepth) {
      const int64_t depth = std::min(kDepth, k - p);
      const bool add = accumulate || p > 0;
      pack_columns(b, column, num_columns, p, depth, columns);
      for (int64_t row = 0; row < m; row += kBlockRows) {
        const int64_t num_rows = std::min(kBlockRows, m - row);
        pack_rows(a, row, num_rows, p, depth, rows);
        for (int64_t j = 0; j < num_columns; j += kTileColumns) {
          for (int64_t i = 0; i < num_rows; i += kTileRows) {
            add_tile(depth, rows + i * depth, columns + j * depth, add, c + (row + i) * c_stride + column + j,
                     c_stride, std::min(kTileRows, num_rows - i), std::min(kTileColumns, num_columns - j));
          }
        }
      }
    }
  }
}

void multiply(int64_t m, int64_t n, int64_t k, Matrix a, Matrix b, bool accumulate, float* c, int64_t c_stride) {
  if (m == 0 || n == 0) return;
  if (m <= kFewRows && !a.transposed) {
    const float* rows[kFewRows];
    for (int64_t i = 0; i < m; ++i) rows[i] = a.data + i * a.stride;
    const auto few = b.transposed ? multiply_few : multiply_few_columns;
    return few(m, n, k, rows, b.data, b.stride, accumulate, c, c_stride);
  }
  if (suits_tiles(m, n, k)) return multiply_by_tiles(m, n, k, a, b, accumulate, c, c_stride, false);
  const Sgemm sgemm = given_sgemm.load(std::memory_order_relaxed);
  if (sgemm != nullptr && k > 0 &&
      sgemm(a.transposed ? 'T' : 'N', b.transposed ? 'T' : 'N', m, n, k, 1.0f, a.data, a.stride, b.data, b.stride,
            accumulate ? 1.0f : 0.0f, c, c_stride) == 0) {
    return;
  }
  multiply_blocked(m, n, k, a, b, accumulate, c, c_stride);
}

}  // namespace scimind

extern "C" void scimind_use_sgemm(void* sgemm) { scimind::given_sgemm = reinterpret_cast<scimind::Sgemm>(sgemm); }
