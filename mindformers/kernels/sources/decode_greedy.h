// Several steps in one call: the most likely token goes in again.
#pragma once

#include <cstdint>

#include "decode_step.h"

namespace scimind {
namespace decode {

// How long a loop runs.
struct Limits {
  int64_t steps;
  int32_t end_id;     // the token behind which a row ends
  bool stops_at_end;  // whether all rows stop with the first one that ends
};

// rows [count], one of each slot at most, whose outputs do not matter -> chosen [count, steps]: what follows each row's
// token, then what follows that, and so on. Row i ends with the end token or after counts[i] tokens; behind its end
// stands -1.
void decode_greedily(const Model& model, const Row* rows, int64_t count, const int32_t* counts, const Limits& limits,
                     int32_t* chosen);

}  // namespace decode
}  // namespace scimind
