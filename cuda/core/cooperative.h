// MT_GRID_SYNC(): all blocks of a kernel wait for each other. The kernel must be launched with
// cudaLaunchCooperativeKernel, or with the attribute cudaLaunchAttributeCooperative.
#pragma once
#include "cuda/core/simt.h"

#if defined(__CUDACC__)
#include <cooperative_groups.h>
#define MT_GRID_SYNC() (::cooperative_groups::this_grid().sync())
#else
#define MT_GRID_SYNC() ::mt::emu::grid_sync()
#endif
