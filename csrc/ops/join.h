// Rows of several tensors, one after the other.
#pragma once
#include "core/isa.h"

// y = for every row: bytes[0] from parts[0], bytes[1] from parts[1] ...; all contiguous. `parts`
// and `bytes` are arrays on the host.
MT_KERNEL(join_rows, void(const void* const* parts, const int64_t* bytes, int64_t count,
                          int64_t rows, void* y))
