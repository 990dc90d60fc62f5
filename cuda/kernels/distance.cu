// y[i, j] = (sum_k |d_k|^p)^(1/p), d = x1[i] - x2[j]; p = 0 counts what is not 0, p = inf is the
// largest. dx1[i] = sum_j dy[i, j] * sign(d) |d|^(p-1) / y^(p-1); 0 where y = 0.
// Forward: a block has a tile of 32 x 32 pairs, a thread 2 x 2 of them, and goes through tiles of
// 32 columns in shared memory; every tile's sum is added in double. Backward: a warp's lanes have
// neighbouring columns k and go through all j; where elements are few, several threads share the j
// of one, and their sums are added in order. A pair costs n differences.
#include "ops/distance.h"

#include <type_traits>

#include "cuda/core/launch.h"
#include "cuda/core/math.h"

namespace mt::cuda {
namespace {

enum class Norm { zero, one, two, inf, other };
Norm norm_of(double p) {
  return p == 0                      ? Norm::zero
         : p == 1                    ? Norm::one
         : p == 2                    ? Norm::two
         : p == __builtin_huge_val() ? Norm::inf
                                     : Norm::other;
}

constexpr int kTile = 32, kPitch = kTile + 1, kHalf = kTile / 2;

// A maximum that NaN does not fall out of.
template <class T>
__device__ __forceinline__ T larger(T m, T d) {
  return m > d ? m : m == m ? d : m;
}

template <class T, Norm norm>
__device__ __forceinline__ T term(T d, T p) {
  if constexpr (norm == Norm::zero) return T(d != T(0));
  else if constexpr (norm == Norm::two) return d * d;
  else if constexpr (norm == Norm::other) return fn::pow(fn::fabs(d), p);
  else return fn::fabs(d);
}

struct Rows {
  int64_t batch, rows1, rows2, n;
};

template <class T, Norm norm>
__global__ void __launch_bounds__(kHalf* kHalf, 2)
    forward_kernel(const Rows s, const T* x1, const T* x2, T p, T* y) {
  MT_SHARED(T, a, kTile * kPitch);
  MT_SHARED(T, b, kTile * kPitch);
  const int tx = threadIdx.x % kHalf, ty = threadIdx.x / kHalf;
  const int64_t i0 = int64_t(blockIdx.y) * kTile, j0 = int64_t(blockIdx.x) * kTile;
  for (int64_t batch = blockIdx.z; batch < s.batch; batch += gridDim.z) {
    const T *p1 = x1 + batch * s.rows1 * s.n, *p2 = x2 + batch * s.rows2 * s.n;
    double total[2][2] = {};
    for (int64_t k0 = 0; k0 < s.n; k0 += kTile) {
      for (int e = threadIdx.x; e < kTile * kTile; e += kHalf * kHalf) {
        const int r = e / kTile, c = e % kTile;
        const bool column = k0 + c < s.n;
        a[r * kPitch + c] = column && i0 + r < s.rows1 ? p1[(i0 + r) * s.n + k0 + c] : T(0);
        b[r * kPitch + c] = column && j0 + r < s.rows2 ? p2[(j0 + r) * s.n + k0 + c] : T(0);
      }
      __syncthreads();
      T sum[2][2] = {};
#pragma unroll 8
      for (int c = 0; c < kTile; c++) {
        T u[2], v[2];
#pragma unroll
        for (int h = 0; h < 2; h++) {
          u[h] = a[(ty + h * kHalf) * kPitch + c];
          v[h] = b[(tx + h * kHalf) * kPitch + c];
        }
#pragma unroll
        for (int h = 0; h < 4; h++) {
          const T d = term<T, norm>(u[h / 2] - v[h % 2], p);
          T& to = sum[h / 2][h % 2];
          // Columns behind the last one differ by 0, which adds nothing.
          to = norm == Norm::inf ? larger(to, d) : to + d;
        }
      }
#pragma unroll
      for (int h = 0; h < 4; h++) {
        double& to = total[h / 2][h % 2];
        const double part = double(sum[h / 2][h % 2]);
        to = norm == Norm::inf ? larger(to, part) : to + part;
      }
      __syncthreads();
    }
#pragma unroll
    for (int h = 0; h < 4; h++) {
      const int64_t i = i0 + ty + h / 2 * kHalf, j = j0 + tx + h % 2 * kHalf;
      if (i >= s.rows1 || j >= s.rows2) continue;
      T v = T(total[h / 2][h % 2]);
      if constexpr (norm == Norm::two) v = fn::sqrt(v);
      if constexpr (norm == Norm::other) v = fn::pow(v, T(1) / p);
      y[(batch * s.rows1 + i) * s.rows2 + j] = v;
    }
  }
}

// g times the derivative of a distance y by d.
template <class T, Norm norm>
__device__ __forceinline__ T slope(T d, T y, T g, T p) {
  const T sign = T(d > T(0)) - T(d < T(0));
  if (norm == Norm::zero || y == T(0)) return T(0);
  if constexpr (norm == Norm::two) return g / y * d;
  if constexpr (norm == Norm::inf) return fn::fabs(d) == y ? g * sign : T(0);
  if constexpr (norm == Norm::other) {
    if (d == T(0)) return T(0);
    return g / fn::pow(y, p - T(1)) * sign * fn::pow(fn::fabs(d), p - T(1));
  }
  return g * sign;
}

// Threads along x: elements of dx; along y: shares of the j.
template <class T, Norm norm>
__global__ void __launch_bounds__(kThreads)
    backward_kernel(const Rows s, const T* x1, const T* x2, T p, const T* y, const T* dy, T* dx) {
  MT_SHARED(T, part, kThreads);
  const int64_t count = s.batch * s.rows1 * s.n, e = thread_index();
  T sum = 0;
  if (e < count) {
    const int64_t i = e / s.n, k = e - i * s.n;
    const T* others = x2 + i / s.rows1 * s.rows2 * s.n + k;
    const T a = x1[e];
    for (int64_t j = threadIdx.y; j < s.rows2; j += blockDim.y)
      sum += slope<T, norm>(a - others[j * s.n], y[i * s.rows2 + j], dy[i * s.rows2 + j], p);
  }
  if (blockDim.y > 1) {
    part[threadIdx.y * blockDim.x + threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y > 0) return;
    for (unsigned other = 1; other < blockDim.y; other++) {
      const T v = part[other * blockDim.x + threadIdx.x];
      sum += v;
    }
  }
  if (e < count) dx[e] = sum;
}

// By size only.
unsigned shares_of(int64_t count, int64_t rows2) {
  if (count < (1 << 13) && rows2 >= 128) return 32;
  return count < (1 << 16) && rows2 >= 32 ? 8 : 1;
}

template <class F>
void with_norm(double p, const F& f) {
  switch (norm_of(p)) {
    case Norm::zero:
      return f(std::integral_constant<Norm, Norm::zero>{});
    case Norm::one:
      return f(std::integral_constant<Norm, Norm::one>{});
    case Norm::two:
      return f(std::integral_constant<Norm, Norm::two>{});
    case Norm::inf:
      return f(std::integral_constant<Norm, Norm::inf>{});
    case Norm::other:
      return f(std::integral_constant<Norm, Norm::other>{});
  }
}

}  // namespace

void cdist_forward(const CdistArgs& args, void* y) {
  if (args.batch * args.rows1 * args.rows2 == 0) return;
  const dim3 grid(grid_for(args.rows2, kTile), grid_for(args.rows1, kTile),
                  grid_for(args.batch, 1, 65535));
  MT_CHECK(grid.y <= 65535, "cdist(): more than 2097120 rows of x1 are not supported on a GPU");
  with_norm(args.p, [&](auto norm) {
    MT_SWITCH_FLOAT(args.dtype, {
      using T = scalar_t;
      MT_LAUNCH((forward_kernel<T, decltype(norm)::value>), grid, kHalf * kHalf, 0, stream(),
                Rows{args.batch, args.rows1, args.rows2, args.n}, static_cast<const T*>(args.x1),
                static_cast<const T*>(args.x2), T(args.p), static_cast<T*>(y));
    })
  });
}

void cdist_backward(const CdistArgs& args, const void* y, const void* dy, void* dx1) {
  const int64_t count = args.batch * args.rows1 * args.n;
  if (count == 0) return;
  const unsigned shares = shares_of(count, args.rows2), across = unsigned(kThreads) / shares;
  with_norm(args.p, [&](auto norm) {
    MT_SWITCH_FLOAT(args.dtype, {
      using T = scalar_t;
      MT_LAUNCH((backward_kernel<T, decltype(norm)::value>), grid_for(count, across),
                dim3(across, shares), 0, stream(), Rows{args.batch, args.rows1, args.rows2, args.n},
                static_cast<const T*>(args.x1), static_cast<const T*>(args.x2), T(args.p),
                static_cast<const T*>(y), static_cast<const T*>(dy), static_cast<T*>(dx1));
    })
  });
}

}  // namespace mt::cuda
