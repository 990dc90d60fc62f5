// Attributes shared by every room of csrc and cuda.
#pragma once
#include <cstddef>
#include <cstdint>

#if defined(__CUDACC__)
#define MT_HD __host__ __device__
#else
#define MT_HD
#endif

// Kernel files are compiled once per instruction set. A function that the compiler leaves out of
// line there would be merged by the linker with its twin of another instruction set, so every
// shared helper must be inlined by force.
#if defined(__CUDACC__)
#define MT_INLINE __host__ __device__ __forceinline__
#else
#define MT_INLINE __attribute__((always_inline)) inline
#endif

#define MT_LIKELY(x) __builtin_expect(!!(x), 1)
#define MT_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define MT_CONCAT_(a, b) a##b
#define MT_CONCAT(a, b) MT_CONCAT_(a, b)
