#include "bench/bench.h"
#include "ops/activation.h"
#include "ops/binary.h"
#include "ops/unary.h"

namespace mt::bench {
namespace {

constexpr DType kF32 = DType::Float32;

// `flops` per element: additions, multiplications and divisions of the formula as it is written.
void add_unary(const char* name, UnaryOp op, double flops) {
  for (int64_t n : kSizes)
    add("unary_forward/" + std::string(name) + "/" + std::to_string(n),
        {flops * double(n), 8.0 * double(n)}, [=]() -> Call {
          Floats x = floats(n), y = floats(n);
          return [=] { cpu::unary_forward(op, kF32, float_types(2), flat(n, {y.get(), x.get()})); };
        });
}

void add_binary(const char* name, BinaryOp op) {
  for (int64_t n : kSizes)
    add("binary_forward/" + std::string(name) + "/" + std::to_string(n),
        {double(n), 12.0 * double(n)}, [=]() -> Call {
          Floats x = floats(n), y = floats(n), z = floats(n);
          return [=] {
            cpu::binary_forward(op, kF32, float_types(3), flat(n, {z.get(), x.get(), y.get()}),
                                Number{1, 1});
          };
        });
}

void add_activation(const char* name, ActivationOp op, double flops) {
  for (int64_t n : kSizes)
    add("activation_forward/" + std::string(name) + "/" + std::to_string(n),
        {flops * double(n), 8.0 * double(n)}, [=]() -> Call {
          Floats x = floats(n), y = floats(n);
          return [=] {
            cpu::activation_forward(op, kF32, float_types(2), flat(n, {y.get(), x.get()}), {});
          };
        });
}

MT_BENCH(elementwise) {
  add_binary("add", BinaryOp::add);
  add_binary("mul", BinaryOp::mul);
  add_binary("div", BinaryOp::div);
  add_unary("relu", UnaryOp::relu, 1);
  add_unary("sqrt", UnaryOp::sqrt, 1);
  add_unary("exp", UnaryOp::exp, 22);
  add_unary("log", UnaryOp::log, 25);
  add_unary("tanh", UnaryOp::tanh, 43);
  add_unary("erf", UnaryOp::erf, 60);
  add_unary("sin", UnaryOp::sin, 25);
  add_unary("cos", UnaryOp::cos, 25);
  add_unary("sigmoid", UnaryOp::sigmoid, 25);
  add_activation("gelu", ActivationOp::gelu, 45);
  add_activation("silu", ActivationOp::silu, 26);
}

}  // namespace
}  // namespace mt::bench
