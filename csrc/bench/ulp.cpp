#include "bench/ulp.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "core/check.h"
#include "core/make_iter.h"
#include "core/parallel.h"
#include "ops/unary.h"

namespace mt {
namespace {

struct Function {
  const char* name;
  UnaryOp op;
  double (*exact)(double);
};

constexpr Function kFunctions[] = {
    {"exp", UnaryOp::exp, [](double x) { return std::exp(x); }},
    {"expm1", UnaryOp::expm1, [](double x) { return std::expm1(x); }},
    {"log", UnaryOp::log, [](double x) { return std::log(x); }},
    {"log1p", UnaryOp::log1p, [](double x) { return std::log1p(x); }},
    {"tanh", UnaryOp::tanh, [](double x) { return std::tanh(x); }},
    {"erf", UnaryOp::erf, [](double x) { return std::erf(x); }},
    {"sin", UnaryOp::sin, [](double x) { return std::sin(x); }},
    {"cos", UnaryOp::cos, [](double x) { return std::cos(x); }},
    {"sigmoid", UnaryOp::sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }},
    {"sqrt", UnaryOp::sqrt, [](double x) { return std::sqrt(x); }},
    {"rsqrt", UnaryOp::rsqrt, [](double x) { return 1 / std::sqrt(x); }},
};

template <class To, class From>
To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

// Infinity counts as 2^128, the next number beyond the largest.
double finite(double x) { return std::isinf(x) ? std::copysign(0x1p128, x) : x; }

double error_of(float got, double want) {
  if (std::isnan(got) || std::isnan(want))
    return std::isnan(got) && std::isnan(want) ? 0 : std::numeric_limits<double>::infinity();
  if (double(got) == want) return 0;
  float rounded = float(want);
  int exponent = int(bits_as<uint32_t>(rounded) >> 23 & 255);
  exponent = std::clamp(exponent, 1, 254);
  double clamped = std::clamp(want, -0x1p128, 0x1p128);
  return std::fabs(finite(got) - clamped) * std::ldexp(1.0, 150 - exponent);
}

}  // namespace

UlpError max_ulp_error(const char* name, uint32_t first, uint32_t stride, int64_t count) {
  auto f = std::find_if(std::begin(kFunctions), std::end(kFunctions),
                        [&](const Function& g) { return std::strcmp(g.name, name) == 0; });
  MT_CHECK_VALUE(f != std::end(kFunctions), "max_ulp_error(): no function is called ", name);
  MT_CHECK_VALUE(count >= 0, "max_ulp_error(): expected a count >= 0, got ", count);
  constexpr int64_t block = 4096;
  std::vector<UlpError> worst(size_t(ceil_div(count, block)));
  OperandTypes types;
  types.t[0] = types.t[1] = DType::Float32;
  parallel_for(count, block, [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end; at += block) {  // one call where one thread is set
      float x[block], y[block];
      int64_t n = std::min(block, end - at);
      for (int64_t i = 0; i < n; i++)
        x[i] = bits_as<float>(uint32_t(first + uint64_t(at + i) * stride));
      cpu::unary_forward(f->op, DType::Float32, types, flat_iter(n, {y, x}, {4, 4}));
      UlpError& w = worst[size_t(at / block)];
      for (int64_t i = 0; i < n; i++) {
        double error = error_of(y[i], f->exact(double(x[i])));
        if (error > w.error) w = {error, bits_as<uint32_t>(x[i])};
      }
    }
  });
  UlpError all;
  for (const UlpError& w : worst)
    if (w.error > all.error) all = w;
  return all;
}

}  // namespace mt
