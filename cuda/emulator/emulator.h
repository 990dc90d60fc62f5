// What a program can ask of the emulator itself, in namespace mt::emu.
#pragma once
#include "cuda/emulator/device_memory.h"  // live_allocations, check_canaries, host_check
#include "cuda/emulator/report.h"         // last_report, clear_last_report, report_count
#include "cuda/emulator/settings.h"       // set_schedule, set_async, set_checks
