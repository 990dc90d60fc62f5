// What a failed check says, and how it leaves the kernel.
#pragma once
#include <string>

#include "cuda/emulator/thread.h"

namespace mt::emu {

// Stops the launch from inside of a kernel: the text is completed with kernel, block, thread and
// the source line of `where` or of the code address `pc`.
[[noreturn]] void fail(std::string what, Location where);
[[noreturn]] void fail_at(std::string what, const void* pc);
#define MT_EMU_FAIL_HERE(text) ::mt::emu::fail_at((text), __builtin_return_address(0))

std::string format(const char* pattern, ...) __attribute__((format(printf, 1, 2)));
std::string text_of(uint3);               // "(x,y,z)"
std::string text_of(Location);            // "file.cu:12"
std::string source_line(const void* pc);  // "file.cu:12", or the symbol and offset

struct Launch;
std::string kernel_name(const Launch&);
// Whether p lies in a loaded program, as __device__ variables do.
bool is_global_variable(const void* p);

// The report of the last launch of this process that failed a check; empty if none did.
std::string last_report();
void clear_last_report();
// Number of reports so far.
int report_count();
void set_last_report(std::string text);

}  // namespace mt::emu
