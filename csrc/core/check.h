// Errors: every C++ boundary throws one of these; csrc/python turns them into Python exceptions.
#pragma once
#include <stdexcept>
#include <string>
#include <type_traits>

#include "core/macros.h"

namespace mt {

enum class ErrorKind { Runtime, Index, Type, Value, NotImplemented, OutOfMemory };

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& text) : std::runtime_error(text), kind(kind) {}
  ErrorKind kind;
};

// No iostreams: their locales are process-wide, and this library links its own copy statically.
inline void append(std::string& text, const char* part) { text += part; }
inline void append(std::string& text, const std::string& part) { text += part; }
inline void append(std::string& text, char part) { text += part; }
inline void append(std::string& text, bool part) { text += part ? "true" : "false"; }
void append(std::string& text, double part);
template <class T>
std::enable_if_t<std::is_integral_v<T>> append(std::string& text, T part) {
  text += std::to_string(part);
}

template <class... Parts>
std::string concat(const Parts&... parts) {
  std::string text;
  (append(text, parts), ...);
  return text;
}

template <class... Parts>
[[noreturn]] __attribute__((noinline, cold)) void fail(ErrorKind kind, const Parts&... parts) {
  throw Error(kind, concat(parts...));
}

}  // namespace mt

// MT_CHECK(condition, "op(): ", what, " got ", shape): RuntimeError; the others as named.
#define MT_CHECK_KIND(kind, cond, ...)                       \
  do {                                                       \
    if (MT_UNLIKELY(!(cond))) ::mt::fail(kind, __VA_ARGS__); \
  } while (0)
#define MT_CHECK(cond, ...) MT_CHECK_KIND(::mt::ErrorKind::Runtime, cond, __VA_ARGS__)
#define MT_CHECK_INDEX(cond, ...) MT_CHECK_KIND(::mt::ErrorKind::Index, cond, __VA_ARGS__)
#define MT_CHECK_TYPE(cond, ...) MT_CHECK_KIND(::mt::ErrorKind::Type, cond, __VA_ARGS__)
#define MT_CHECK_VALUE(cond, ...) MT_CHECK_KIND(::mt::ErrorKind::Value, cond, __VA_ARGS__)
