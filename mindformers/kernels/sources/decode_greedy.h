// Several steps in one call: the most likely token goes in again.
#pragma once

#include <cstdint>

#include "decode_step.h"

namespace scimind {
namespace decode {

// ids, positions [rows] -> chosen [rows, steps]: what follows each row's token, then what follows that, and so on. A
// row ends with `end_id`, or when it has reached `limit` positions; behind its end, and where a row is idle, it is -1.
void decode_greedily(const Model& model, int64_t rows, const int32_t* ids, const int32_t* positions, int64_t steps,
                     int32_t end_id, int64_t limit, int32_t* chosen);

}  // namespace decode
}  // namespace scimind
