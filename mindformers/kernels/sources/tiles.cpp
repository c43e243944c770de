#include "tiles.h"

#if defined(__AMX_BF16__) && defined(__AVX512F__) && defined(__linux__)

#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "buffer.h"

namespace scimind {

namespace {

constexpr int64_t kTile = 16;             // rows of a tile, and floats in a row of a result's
constexpr int64_t kStep = 32;             // bfloat16 numbers in a row of a tile: what one instruction adds up over
constexpr int64_t kLines = 2 * kTile;     // of a panel: a result of kLines x kLines is held in four tiles
constexpr int64_t kParts = 3;
constexpr int64_t kPartWords = kTile * kTile;                // a tile, in words of two bfloat16 numbers
constexpr int64_t kStepWords = 2 * kParts * kPartWords;      // a panel's tiles for one step
constexpr int64_t kDepth = 512;           // that is packed at a time
constexpr int64_t kShared = 2048;         // lines of the operand that all threads read, packed at a time
constexpr int64_t kOwn = 128;             // lines of the other operand, packed by the thread that multiplies them

using Word = uint32_t;

// Parts of the numbers, in the upper halves of words. Nearest bfloat16 numbers but for the last, which is exact.
struct Parts {
  __m512i part[kParts];
};

inline Parts split(__m512 x) {
  const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xFFFF0000u)), half = _mm512_set1_epi32(0x8000);
  Parts parts;
  for (int64_t i = 0; i < kParts; ++i) {
    __m512i bits = _mm512_castps_si512(x);
    // A NaN whose rounding overflows is found again in the last part.
    if (i < kParts - 1) bits = _mm512_add_epi32(bits, half);
    parts.part[i] = _mm512_and_si512(bits, upper);
    if (i < kParts - 1) x = _mm512_sub_ps(x, _mm512_castsi512_ps(parts.part[i]));
  }
  return parts;
}

// Sixteen words of every part: number p of a step stands beside number p + 16.
inline void store_pairs(__m512 first, __m512 second, Word* to) {
  const Parts low = split(first), high = split(second);
  for (int64_t i = 0; i < kParts; ++i) {
    _mm512_store_si512(to + i * kPartWords, _mm512_or_si512(_mm512_srli_epi32(low.part[i], 16), high.part[i]));
  }
}

inline void transpose(__m512* v) {
  __m512 t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(v[i], v[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps(v[i], v[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    for (int j = 0; j < 2; ++j) {
      const __m512d one = _mm512_castps_pd(t[i + j]), other = _mm512_castps_pd(t[i + j + 2]);
      v[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(one, other));
      v[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(one, other));
    }
  }
  // Now v[4 i + j] holds column 4 q + j of rows 4 i to 4 i + 3 in its quarter q.
  for (int j = 0; j < 4; ++j) {
    const __m512 a = _mm512_shuffle_f32x4(v[j], v[4 + j], 0x88), b = _mm512_shuffle_f32x4(v[j], v[4 + j], 0xDD);
    const __m512 c = _mm512_shuffle_f32x4(v[8 + j], v[12 + j], 0x88), d = _mm512_shuffle_f32x4(v[8 + j], v[12 + j], 0xDD);
    t[j] = _mm512_shuffle_f32x4(a, c, 0x88);
    t[8 + j] = _mm512_shuffle_f32x4(a, c, 0xDD);
    t[4 + j] = _mm512_shuffle_f32x4(b, d, 0x88);
    t[12 + j] = _mm512_shuffle_f32x4(b, d, 0xDD);
  }
  std::copy_n(t, 16, v);
}

inline __mmask16 first_lanes(int64_t count) {
  return count >= kTile ? 0xFFFF : count <= 0 ? 0 : static_cast<__mmask16>((1u << count) - 1);
}

// Sixteen vectors of up to sixteen floats from `from` on, `stride` apart; what is missing is zero.
inline void load_square(const float* from, int64_t stride, int64_t count, int64_t width, __m512* v) {
  const __mmask16 mask = first_lanes(width);
  for (int64_t i = 0; i < kTile; ++i) {
    v[i] = i < count && mask ? _mm512_maskz_loadu_ps(mask, from + i * stride) : _mm512_setzero_ps();
  }
}

// A step of sixteen lines. Left operands are packed line by line, right ones depth by depth with the lines side by side;
// either is turned where it is stored in the other way.
void pack_tile(const float* from, int64_t stride, bool is_along_lines, bool is_left, int64_t lines, int64_t depth,
               Word* to) {
  __m512 low[kTile], high[kTile];
  if (is_along_lines) {  // a stored row is a depth
    load_square(from, stride, depth, lines, low);
    load_square(from + kTile * stride, stride, depth - kTile, lines, high);
  } else {
    load_square(from, stride, lines, depth, low);
    load_square(from + kTile, stride, lines, depth - kTile, high);
  }
  if (is_along_lines == is_left) transpose(low), transpose(high);
  for (int64_t i = 0; i < kTile; ++i) store_pairs(low[i], high[i], to + i * kTile);
}

// One of the two operands.
struct Operand {
  Matrix matrix;
  bool is_left;

  // Panel by panel, `count` lines from `line` on, over `depth` from `begin` on.
  void pack(int64_t line, int64_t count, int64_t begin, int64_t depth, Word* to) const {
    // Lines are rows of the left matrix and columns of the right one.
    const bool is_along_lines = is_left == matrix.transposed;
    const int64_t line_step = is_along_lines ? 1 : matrix.stride, depth_step = is_along_lines ? matrix.stride : 1;
    for (int64_t panel = 0; panel < count; panel += kLines) {
      for (int64_t p = 0; p < depth; p += kStep) {
        for (int64_t half = panel; half < panel + kLines; half += kTile, to += kParts * kPartWords) {
          const float* from = matrix.data + (line + half) * line_step + (begin + p) * depth_step;
          const int64_t lines = std::min(kTile, count - half);
          if (lines > 0) {
            pack_tile(from, matrix.stride, is_along_lines, is_left, lines, std::min(kStep, depth - p), to);
          } else {
            std::fill_n(to, kParts * kPartWords, 0);
          }
        }
      }
    }
  }
};

constexpr int64_t steps_of(int64_t depth) { return (depth + kStep - 1) / kStep; }
constexpr int64_t panel_words(int64_t depth) { return steps_of(depth) * kStepWords; }
constexpr int64_t packed_words(int64_t lines, int64_t depth) {
  return (lines + kLines - 1) / kLines * panel_words(depth);
}

// Part `i` of a step of a left panel, part `j` of a right one, and their product.
inline void load_left(const Word* a, int64_t i) {
  _tile_loadd(4, a + i * kPartWords, 64);
  _tile_loadd(5, a + (kParts + i) * kPartWords, 64);
}

inline void load_right(const Word* b, int64_t j) {
  _tile_loadd(6, b + j * kPartWords, 64);
  _tile_loadd(7, b + (kParts + j) * kPartWords, 64);
}

inline void add_product() {
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(1, 4, 7);
  _tile_dpbf16ps(2, 5, 6);
  _tile_dpbf16ps(3, 5, 7);
}

// c [32, 32] = or += the product of two panels.
void multiply_panels(int64_t steps, const Word* a, const Word* b, bool accumulate, float* c, int64_t stride) {
  const int64_t bytes = stride * static_cast<int64_t>(sizeof(float));
  float* const lower = c + kTile * stride;
  asm volatile("" ::: "memory");  // GCC does not know that loading a tile reads memory
  if (accumulate) {
    _tile_loadd(0, c, bytes);
    _tile_loadd(1, c + kTile, bytes);
    _tile_loadd(2, lower, bytes);
    _tile_loadd(3, lower + kTile, bytes);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int64_t step = 0; step < steps; ++step, a += kStepWords, b += kStepWords) {
    // The small ones first; from each to the next, one side stays loaded.
    load_left(a, 2), load_right(b, 0), add_product();
    load_left(a, 1), add_product();
    load_right(b, 1), add_product();
    load_left(a, 0), add_product();
    load_right(b, 2), add_product();
    load_right(b, 0), add_product();
  }
  _tile_stored(0, c, bytes);
  _tile_stored(1, c + kTile, bytes);
  _tile_stored(2, lower, bytes);
  _tile_stored(3, lower + kTile, bytes);
}

// The same where only `rows` x `columns` of it are part of the result.
void multiply_edge(int64_t steps, const Word* a, const Word* b, bool accumulate, float* c, int64_t stride, int64_t rows,
                   int64_t columns) {
  alignas(64) float square[kLines * kLines] = {};
  if (accumulate) {
    for (int64_t i = 0; i < rows; ++i) std::copy_n(c + i * stride, columns, square + i * kLines);
  }
  multiply_panels(steps, a, b, accumulate, square, kLines);
  for (int64_t i = 0; i < rows; ++i) std::copy_n(square + i * kLines, columns, c + i * stride);
}

struct Layout {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// The calling thread's tiles, in use.
class Tiles {
 public:
  Tiles() {
    const Layout layout;
    _tile_loadconfig(&layout);
  }
  ~Tiles() { _tile_release(); }
  Tiles(const Tiles&) = delete;
  Tiles& operator=(const Tiles&) = delete;
};

// A thread's memory for packed operands, kept for its next product.
class Scratch {
 public:
  Word* of(int64_t words) {
    if (words > size_) buffer_.reset(), buffer_ = std::make_unique<Buffer>(words), size_ = words;
    return reinterpret_cast<Word*>(buffer_->data());
  }

 private:
  std::unique_ptr<Buffer> buffer_;
  int64_t size_ = 0;
};

thread_local Scratch shared_scratch, own_scratch;

}  // namespace

bool has_tiles() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  static const bool is_permitted = [] {
    const char* wish = std::getenv("SCIMIND_TILES");
    return (wish == nullptr || std::strcmp(wish, "0") != 0) &&
           syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  }();
  return is_permitted;
}

void multiply_by_tiles(int64_t m, int64_t n, int64_t k, Matrix a, Matrix b, bool accumulate, float* c, int64_t c_stride,
                       bool together) {
  const bool shares_left = m < n;  // the smaller one is packed once, for all threads
  const Operand shared{shares_left ? a : b, shares_left}, own{shares_left ? b : a, !shares_left};
  const int64_t shared_lines = shares_left ? m : n, own_lines = shares_left ? n : m;
  const int64_t most = std::min(kShared, shared_lines), blocks = (own_lines + kOwn - 1) / kOwn;
  Word* const common = shared_scratch.of(packed_words(most, std::min(k, kDepth)));
#pragma omp parallel if (together && m * n * k > 100'000)
  {
    const Tiles tiles;
    Word* const mine = own_scratch.of(packed_words(std::min(kOwn, own_lines), std::min(k, kDepth)));
    for (int64_t first = 0; first < shared_lines; first += kShared) {
      const int64_t num_shared = std::min(kShared, shared_lines - first);
      for (int64_t begin = 0; begin < k; begin += kDepth) {
        const bool add = accumulate || begin > 0;
        const int64_t depth = std::min(kDepth, k - begin), steps = steps_of(depth), words = panel_words(depth);
#pragma omp for schedule(static)
        for (int64_t line = 0; line < num_shared; line += kLines) {
          const int64_t count = std::min(kLines, num_shared - line);
          shared.pack(first + line, count, begin, depth, common + line / kLines * words);
        }
#pragma omp for schedule(dynamic, 1)
        for (int64_t block = 0; block < blocks; ++block) {
          const int64_t line = block * kOwn, num_own = std::min(kOwn, own_lines - line);
          own.pack(line, num_own, begin, depth, mine);
          for (int64_t i = 0; i < num_shared; i += kLines) {
            for (int64_t j = 0; j < num_own; j += kLines) {
              const Word *one = common + i / kLines * words, *other = mine + j / kLines * words;
              const int64_t row = shares_left ? first + i : line + j, column = shares_left ? line + j : first + i;
              const Word *left = shares_left ? one : other, *right = shares_left ? other : one;
              float* to = c + row * c_stride + column;
              if (row + kLines <= m && column + kLines <= n) {
                multiply_panels(steps, left, right, add, to, c_stride);
              } else {
                multiply_edge(steps, left, right, add, to, c_stride, std::min(kLines, m - row),
                              std::min(kLines, n - column));
              }
            }
          }
        }
      }
    }
  }
}

}  // namespace scimind

#else

namespace scimind {

bool has_tiles() { return false; }

void multiply_by_tiles(int64_t, int64_t, int64_t, Matrix, Matrix, bool, float*, int64_t, bool) {}

}  // namespace scimind

#endif

extern "C" int scimind_has_tiles() { return scimind::has_tiles(); }
