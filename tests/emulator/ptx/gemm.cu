// The tensor-core GEMM kernels against a float64 product: layouts, ragged edges, epilogues,
// batches. Arguments: mma or wgmma, then a type.
#include "cuda/kernels/gemm_tensor_core.h"

#include "harness.h"

using namespace mt;
using namespace mt::test;

namespace {

cuda::GemmTuning tuning;

struct Case {
  int m, n, k, batch = 1;
  bool a_cols = false, b_cols = false;  // column-major operands
  int pad = 0;                          // elements that rows are longer
  float alpha = 1, beta = 0;
  bool bias = false, bias_per_row = false;
  Activation activation = Activation::none;
  int splits = 1, tile = 0;
  bool same_b = false;  // one B for the whole batch
  cuda::GemmTuning::Pack pack = cuda::GemmTuning::Pack::never;
};

double activate(Activation activation, double x) {
  switch (activation) {
    case Activation::relu:
      return x < 0 ? 0 : x;
    case Activation::gelu:
      return 0.5 * x * (1 + std::erf(x * std::sqrt(0.5)));
    case Activation::gelu_tanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::silu:
      return x / (1 + std::exp(-x));
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::tanh:
      return std::tanh(x);
    default:
      return x;
  }
}

template <class T>
void test_gemm(const Case& t) {
  const int64_t a_line = (t.a_cols ? t.m : t.k) + t.pad, b_line = (t.b_cols ? t.k : t.n) + t.pad;
  const int64_t c_line = t.n + t.pad;
  const int64_t a_size = a_line * (t.a_cols ? t.k : t.m), b_size = b_line * (t.b_cols ? t.n : t.k);
  const int64_t c_size = c_line * t.m;
  const auto a = random_values<T>(size_t(a_size * t.batch), 1);
  const auto b = random_values<T>(size_t(b_size * (t.same_b ? 1 : t.batch)), 2);
  const auto c = random_values<T>(size_t(c_size * t.batch), 3);
  const auto bias = random_values<T>(size_t(t.bias_per_row ? t.m : t.n), 4);
  DeviceArray<T> da(a), db(b), dc(c), dbias(bias);
  GemmArgs args{};
  args.dtype = dtype_of<T>::value;
  args.batch = t.batch;
  args.m = t.m;
  args.n = t.n;
  args.k = t.k;
  args.a = da.p;
  args.a_batch = a_size;
  args.a_row = t.a_cols ? 1 : a_line;
  args.a_col = t.a_cols ? a_line : 1;
  args.b = db.p;
  args.b_batch = t.same_b ? 0 : b_size;
  args.b_row = t.b_cols ? 1 : b_line;
  args.b_col = t.b_cols ? b_line : 1;
  args.c = dc.p;
  args.c_batch = c_size;
  args.c_row = c_line;
  args.alpha = t.alpha;
  args.beta = t.beta;
  args.bias = t.bias ? dbias.p : nullptr;
  args.bias_per_row = t.bias_per_row;
  args.activation = t.activation;
  tuning.splits = t.splits;
  tuning.tile = t.tile;
  tuning.pack = t.pack;
  const std::string name = std::to_string(t.m) + "x" + std::to_string(t.n) + "x" +
                           std::to_string(t.k) + " batch " + std::to_string(t.batch) + " columns " +
                           std::to_string(t.a_cols) + std::to_string(t.b_cols) + " pad " +
                           std::to_string(t.pad) + " splits " + std::to_string(t.splits) +
                           " tile " + std::to_string(t.tile);
  if (!cuda::gemm_tensor_core(args, true, nullptr, tuning)) {
    expect(false, "gemm: not supported", name);
    return;
  }
  if (!launched(name.c_str())) return;
  const auto got = dc.get();
  double worst = 0;
  for (int z = 0; z < t.batch; ++z)
    for (int i = 0; i < t.m; ++i)
      for (int j = 0; j < c_line; ++j) {
        const size_t at = size_t(z * c_size + i * c_line + j);
        double want = value(c[at]);
        double scale = 1;
        if (j < t.n) {
          double sum = 0;
          for (int k = 0; k < t.k; ++k)
            sum += value(a[size_t(z * a_size + i * args.a_row + k * args.a_col)]) *
                   value(b[size_t(z * args.b_batch + k * args.b_row + j * args.b_col)]);
          want = t.alpha * sum + t.beta * value(c[at]);
          if (t.bias) want += value(bias[size_t(t.bias_per_row ? i : j)]);
          scale = std::fmax(1, std::fabs(want));
          want = activate(t.activation, want);
        }
        const double error = std::fabs(want - value(got[at]));
        worst = std::fmax(worst, error == error ? error / scale : 1e30);
      }
  // Rounding of the result, or of tf32 operands over the sum.
  const double unit = sizeof(T) == 4                          ? 0x1p-11 * std::sqrt(t.k + 1)
                      : dtype_of<T>::value == DType::BFloat16 ? 0x1p-8
                                                              : 0x1p-11;
  expect(worst < 1.2 * unit, "gemm", name + ": error " + std::to_string(worst / unit) + " units");
}

// 2-3 tiles per dimension with ragged edges, 16-byte aligned rows.
template <class T>
void run_mma() {
  for (int layout = 0; layout < 4; ++layout) {
    Case t{.m = 136, .n = 152, .k = 88};
    t.a_cols = layout & 1;
    t.b_cols = layout & 2;
    for (int tile : {64, 128}) {
      t.tile = tile;
      test_gemm<T>(t);
    }
  }
  test_gemm<T>({.m = 130, .n = 133, .k = 37, .tile = 128});
  test_gemm<T>({.m = 66, .n = 69, .k = 37, .tile = 64});  // nothing aligned
  test_gemm<T>({.m = 13, .n = 7, .k = 5, .batch = 3, .a_cols = true, .pad = 3});
  test_gemm<T>({.m = 1, .n = 1, .k = 1});
  test_gemm<T>({.m = 5, .n = 24, .k = 0, .beta = 0.5f, .bias = true});
  test_gemm<T>({.m = 40,
                .n = 136,
                .k = 216,
                .batch = 2,
                .pad = 8,
                .alpha = 0.5f,
                .beta = -1,
                .bias = true,
                .activation = Activation::gelu,
                .splits = 3});
  test_gemm<T>({.m = 40,
                .n = 44,
                .k = 64,
                .bias = true,
                .bias_per_row = true,
                .activation = Activation::relu,
                .same_b = true});
  for (auto activation :
       {Activation::gelu_tanh, Activation::silu, Activation::sigmoid, Activation::tanh})
    test_gemm<T>({.m = 16, .n = 24, .k = 16, .activation = activation});
}

template <class T>
void run_wgmma() {
  const bool tf32 = sizeof(T) == 4;
  for (int layout = tf32 ? 2 : 0; layout < (tf32 ? 3 : 4); ++layout) {
    Case t{.m = 136, .n = 152, .k = tf32 ? 88 : 152};
    t.a_cols = layout & 1;
    t.b_cols = layout & 2;
    for (int tile : {64, 128, 256}) {
      t.tile = tile;
      test_gemm<T>(t);
    }
  }
  // More tiles than blocks, more stages than the ring has.
  test_gemm<T>({.m = 264,
                .n = 264,
                .k = tf32 ? 136 : 264,
                .batch = 2,
                .b_cols = true,
                .pad = 8,
                .alpha = 0.5f,
                .beta = -1,
                .bias = true,
                .activation = Activation::gelu,
                .same_b = true});
  test_gemm<T>({.m = 136, .n = 264, .k = tf32 ? 168 : 328, .b_cols = true, .tile = 256});
  test_gemm<T>({.m = 264, .n = 520, .k = 64, .b_cols = true, .tile = 64});
  test_gemm<T>({.m = 40,
                .n = 44,
                .k = 64,
                .b_cols = true,
                .pad = 4 * int(tf32),
                .bias = true,
                .bias_per_row = true,
                .activation = Activation::relu});
  test_gemm<T>({.m = 9, .n = 17, .k = 64, .b_cols = true});  // rows of C are not aligned
}

// Every choice left to the library: wgmma, parts of K, and what only mma.sync takes.
template <class T>
void run_auto() {
  test_gemm<T>({.m = 136, .n = 152, .k = 88, .b_cols = true, .splits = 0});
  test_gemm<T>({.m = 40, .n = 24, .k = 1040, .b_cols = true, .bias = true, .splits = 0});
  test_gemm<T>({.m = 5, .n = 7, .k = 3, .batch = 2, .splits = 0});
  // Nothing is aligned: operands are copied, one of them transposed.
  Case t{.m = 37, .n = 41, .k = 67, .batch = 2, .a_cols = true, .b_cols = true, .pad = 1};
  t.splits = 0;
  t.pack = cuda::GemmTuning::Pack::always;
  test_gemm<T>(t);
  t.same_b = true;
  t.a_cols = t.b_cols = false;
  test_gemm<T>(t);
}

template <class T>
void run(const std::string& path) {
  for_each_mode(path.c_str(), [&] {
    path == "mma" ? run_mma<T>() : path == "wgmma" ? run_wgmma<T>() : run_auto<T>();
  });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::puts("usage: gemm mma|wgmma|auto bfloat16|float16|tf32"), 2;
  const std::string path = argv[1], type = argv[2];
  if (path == "mma") tuning.path = cuda::GemmTuning::Path::mma;
  if (path == "wgmma") tuning.path = cuda::GemmTuning::Path::wgmma;
  if (type == "bfloat16") run<bfloat16>(path);
  if (type == "float16") run<float16>(path);
  if (type == "tf32") run<float>(path);
  return finish();
}
