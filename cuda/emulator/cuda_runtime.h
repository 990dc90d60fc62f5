// What <cuda_runtime.h> is to a program built on the emulator: the runtime and the device side.
#pragma once
#include "cuda/emulator/cuda_runtime_api.h"
#include "cuda/emulator/simt.h"
