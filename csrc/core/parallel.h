// Threads. Work is cut by its size, never by the number of threads, so that results have the same
// bits for any thread count: a reduction keeps one partial per chunk and combines them in order.
#pragma once
#include "core/macros.h"

namespace mt {

int num_threads();
void set_num_threads(int n);

// Elements of simple work (a few flops each) below which waking a thread costs more than it saves.
constexpr int64_t kGrain = 32768;

// Calls body(context, begin, end) for the chunks [i*grain, min(n, (i+1)*grain)) of [0, n), on any
// thread and in any order. Nested calls, and calls while another thread uses the pool, run
// serially.
void parallel_chunks(int64_t n, int64_t grain, void (*body)(void*, int64_t, int64_t),
                     void* context);

// f(begin, end) over [0, n): one call where n <= grain or one thread is set, else chunks of grain.
template <class F>
MT_INLINE void parallel_for(int64_t n, int64_t grain, F&& f) {
  if (n <= 0) return;
  if (n <= grain || num_threads() == 1) {
    f(int64_t(0), n);
    return;
  }
  struct Body {
    static void run(void* context, int64_t begin, int64_t end) {
      (*static_cast<__typeof__(&f)>(context))(begin, end);
    }
  };
  parallel_chunks(n, grain, &Body::run, const_cast<void*>(static_cast<const void*>(&f)));
}

MT_INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace mt
