// SPDX-License-Identifier: Apache-2.0

// What a micro-benchmark is measured with and Swift cannot see: calls of malloc, and the processor's counter of
// instructions. Only for a program of its own, since it puts itself before the C library's allocator.

#ifndef MICRO_PROBE_H
#define MICRO_PROBE_H

#include <stdint.h>

// Calls that took memory since the thread began, and the bytes that they asked for. Of the calling thread.
uint64_t microAllocations(void);
uint64_t microAllocatedBytes(void);

// Instructions of the calling thread outside of the kernel. A descriptor, or -1 where the machine has no such counter.
int microOpenInstructionCounter(void);
uint64_t microReadInstructionCounter(int descriptor);

// Runs the body. Its name is what a profiler is told to look at; it is never inlined.
void microMeasured(void (*body)(void *), void *context);

#endif
