// Sizes of the machine's caches, read once at load. They steer blocking, never the order of sums.
#pragma once
#include "core/macros.h"

namespace mt {

size_t l1_bytes();  // data cache of one core
size_t l2_bytes();
size_t l3_bytes();  // shared; at least l2_bytes()

}  // namespace mt
