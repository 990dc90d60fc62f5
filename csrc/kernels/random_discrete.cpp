// Integers, coins, Poisson counts, permutations and draws from weights, over Philox words.
#include "core/parallel.h"
#include "kernels/elementwise.h"
#include "kernels/random_laws.h"
#include "kernels/random_words.h"
#include "ops/random.h"

namespace mt::cpu::MT_ISA {
namespace {

constexpr int64_t kGroup = 4 * kLanes;

template <class T>
void integers(T* y, int64_t n, uint64_t seed, uint64_t offset, int64_t low, uint64_t range,
              bool wide) {
  int64_t size = wide ? kGroup / 2 : kGroup;
  parallel_for(ceil_div(n, size), kGrain / 2 / size, [&](int64_t begin, int64_t end) {
    for (int64_t g = begin; g < end; g++) {
      Words w;
      philox16(seed, offset + uint64_t(g) * kLanes, w);
      const uint32_t* words = &w.v[0][0];
      int64_t m = n - g * size < size ? n - g * size : size;
      T* to = y + g * size;
      if (wide) {
        for (int64_t k = 0; k < m; k++) {
          int64_t row = k / kLanes * 2, lane = k % kLanes;
          uint64_t v =
              fn::below(words[row * kLanes + lane], words[(row + 1) * kLanes + lane], range);
          to[k] = store_as<T>(int64_t(uint64_t(low) + v));
        }
      } else {
        for (int64_t k = 0; k < m; k++)
          to[k] = store_as<T>(int64_t(uint64_t(low) + fn::below(words[k], range)));
      }
    }
  });
}

// Sorts so that the `k` smallest keys come first, in order (heap select on pairs of key and index).
void smallest(const double* keys, int64_t n, int64_t* out, int64_t k) {
  auto sink = [&](int64_t i, int64_t size) {
    for (;;) {
      int64_t child = 2 * i + 1;
      if (child >= size) return;
      if (child + 1 < size && keys[out[child + 1]] > keys[out[child]]) child++;
      if (keys[out[child]] <= keys[out[i]]) return;
      int64_t t = out[i];
      out[i] = out[child];
      out[child] = t;
      i = child;
    }
  };
  for (int64_t i = 0; i < k; i++) out[i] = i;
  for (int64_t i = k / 2 - 1; i >= 0; i--) sink(i, k);
  for (int64_t i = k; i < n; i++) {
    if (keys[i] >= keys[out[0]]) continue;
    out[0] = i;
    sink(0, k);
  }
  for (int64_t size = k - 1; size > 0; size--) {
    int64_t t = out[0];
    out[0] = out[size];
    out[size] = t;
    sink(0, size);
  }
}

// n coins of chances p, or all of chance `one`.
template <class T>
MT_INLINE void toss(T* y, const uint32_t* words, const float* p, float one, int64_t n) {
  auto coin = [&](int64_t k, float chance) {
    y[k] = store_as<T>(compute_t<T>(uniform_float(words[k]) < chance ? 1 : 0));
  };
  if (n == kGroup && !p) {
#pragma GCC ivdep
    for (int64_t k = 0; k < kGroup; k++) coin(k, one);
  } else if (n == kGroup) {
#pragma GCC ivdep
    for (int64_t k = 0; k < kGroup; k++) coin(k, p[k]);
  } else {
    for (int64_t k = 0; k < n; k++) coin(k, p ? p[k] : one);
  }
}

// The arrival times -log(u) / weight of the elements [at, at + kLanes) of a row.
MT_INLINE void arrivals(const double* p, double* times, int64_t n, int64_t at, uint64_t seed,
                        uint64_t first) {
  Words w;
  philox16(seed, first + uint64_t(at), w);
  double t[kLanes], weight[kLanes];
  const int64_t m = n - at < kLanes ? n - at : kLanes;
  for (int64_t k = 0; k < m; k++) weight[k] = p[at + k];
  for (int64_t k = m; k < kLanes; k++) weight[k] = 0;
#pragma GCC unroll 1
  for (int64_t k = 0; k < kLanes; k++) {
    const uint64_t bits = (uint64_t(w.v[0][k]) << 32 | w.v[1][k]) >> 12;
    const double u = (double(int64_t(bits)) + 0.5) * 0x1p-52;
    const double time = -fn::log(u) / weight[k];
    t[k] = weight[k] > 0 ? time : __builtin_inf();
  }
  for (int64_t k = 0; k < m; k++) times[at + k] = t[k];
}

}  // namespace

void random_integers(DType dtype, void* y, int64_t n, uint64_t seed, uint64_t offset, int64_t low,
                     uint64_t range, bool wide) {
  MT_SWITCH_ALL(dtype, integers(static_cast<scalar_t*>(y), n, seed, offset, low, range, wide))
}

void random_bernoulli(DType dtype, void* y, const float* p, float one, int64_t n, uint64_t seed,
                      uint64_t offset) {
  MT_SWITCH_ALL(dtype, {
    auto* to = static_cast<scalar_t*>(y);
    parallel_for(ceil_div(n, kGroup), kGrain / 2 / kGroup, [&](int64_t begin, int64_t end) {
      for (int64_t g = begin; g < end; g++) {
        Words w;
        philox16(seed, offset + uint64_t(g) * kLanes, w);
        const uint32_t* words = &w.v[0][0];
        int64_t from = g * kGroup, m = n - from < kGroup ? n - from : kGroup;
        toss(to + from, words, p ? p + from : p, one, m);
      }
    });
  })
}

void random_poisson(DType dtype, void* y, const void* rate, int64_t n, uint64_t seed,
                    uint64_t offset) {
  parallel_for(n, 1024, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      fn::Stream s{seed, offset + uint64_t(i)};
      if (dtype == DType::Float64)
        static_cast<double*>(y)[i] = fn::poisson(static_cast<const double*>(rate)[i], s);
      else
        static_cast<float*>(y)[i] =
            float(fn::poisson(double(static_cast<const float*>(rate)[i]), s));
    }
  });
}

void write_place(uint64_t* place, uint64_t seed, uint64_t offset) {
  place[0] = seed;
  place[1] = offset;
}

void random_permutation(int64_t* y, int64_t n, uint64_t seed, uint64_t offset) {
  for (int64_t i = 0; i < n; i++) y[i] = i;
  Words w;
  for (int64_t i = 0; i + 1 < n; i++) {
    if (i % (kGroup / 2) == 0) philox16(seed, offset + uint64_t(i / (kGroup / 2)) * kLanes, w);
    int64_t k = i % (kGroup / 2), row = k / kLanes * 2, lane = k % kLanes;
    int64_t j = i + int64_t(fn::below(w.v[row][lane], w.v[row + 1][lane], uint64_t(n - i)));
    int64_t t = y[i];
    y[i] = y[j];
    y[j] = t;
  }
}

void multinomial_problem(const double* weights, int64_t rows, int64_t n, int64_t draws,
                         WeightProblem* problem) {
  for (int64_t r = 0; r < rows; r++) {
    double sum = 0;
    int64_t positive = 0;
    for (int64_t i = 0; i < n; i++) {
      const double w = weights[r * n + i];
      if (!(w >= 0 && w - w == 0)) return void(*problem = WeightProblem::invalid);
      sum += w;
      positive += w > 0;
    }
    if (!(sum > 0)) return void(*problem = WeightProblem::all_zero);
    if (positive < draws) return void(*problem = WeightProblem::too_few);
  }
  *problem = WeightProblem::none;
}

void all_probabilities(const double* p, int64_t n, bool* good) {
  int bad = 0;
  for (int64_t i = 0; i < n; i++) bad |= !(p[i] >= 0 && p[i] <= 1);
  *good = !bad;
}

// With replacement: a search in the running sums. Without: an exponential race, whose k first
// arrivals -log(u) / weight are distributed as k draws.
void random_multinomial(const double* weights, int64_t* y, int64_t rows, int64_t n, int64_t draws,
                        bool replacement, double* work, uint64_t seed, uint64_t offset) {
  auto run = [=](int64_t r) {
    const double* p = weights + r * n;
    double* w = work + r * n;
    int64_t* to = y + r * draws;
    if (replacement) {
      double total = 0;
      for (int64_t i = 0; i < n; i++) w[i] = total += p[i];
      for (int64_t d = 0; d < draws; d++) {
        const double target = fn::Stream{seed, offset + uint64_t(r * draws + d)}.next() * total;
        int64_t low = 0;
        for (int64_t left = n - 1; left > 0;) {  // without branches, which random numbers mislead
          const int64_t half = left - left / 2;
          low = w[low + half - 1] <= target ? low + half : low;
          left -= half;
        }
        to[d] = low;
      }
      return;
    }
    const uint64_t first = offset + uint64_t(r * n);
    parallel_for(ceil_div(n, kLanes), kGrain / 8 / kLanes, [&](int64_t begin, int64_t end) {
      for (int64_t g = begin; g < end; g++) arrivals(p, w, n, g * kLanes, seed, first);
    });
    smallest(w, n, to, draws);
  };
  parallel_for(rows, ceil_div(kGrain / 8, n), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) run(r);
  });
}

}  // namespace mt::cpu::MT_ISA
