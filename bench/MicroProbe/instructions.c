// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "MicroProbe.h"

#include <linux/perf_event.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

int microOpenInstructionCounter(void) {
    struct perf_event_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.type = PERF_TYPE_HARDWARE;
    attributes.size = sizeof attributes;
    attributes.config = PERF_COUNT_HW_INSTRUCTIONS;
    attributes.exclude_kernel = 1;
    attributes.exclude_hv = 1;
    return (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

uint64_t microReadInstructionCounter(int descriptor) {
    uint64_t value = 0;
    return read(descriptor, &value, sizeof value) == (ssize_t)sizeof value ? value : 0;
}

__attribute__((noinline)) void microMeasured(void (*body)(void *), void *context) {
    body(context);
    // Keeps the call above from being the last, which would be made a jump.
    __asm__ volatile("" ::: "memory");
}
