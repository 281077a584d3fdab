// SPDX-License-Identifier: Apache-2.0

// Stands before the C library's allocator and counts. A program's own definitions go before those of a shared library
// (ELF symbol interposition); the real ones are reached by the names that glibc keeps for this purpose.

#include "MicroProbe.h"

#include <errno.h>
#include <stddef.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *pointer, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

// Of the thread, so that counting costs an addition and threads do not disturb each other.
static __thread uint64_t allocations;
static __thread uint64_t allocatedBytes;

static void count(size_t size) {
    allocations += 1;
    allocatedBytes += size;
}

uint64_t microAllocations(void) { return allocations; }

uint64_t microAllocatedBytes(void) { return allocatedBytes; }

void *malloc(size_t size) {
    count(size);
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
    count(number * size);
    return __libc_calloc(number, size);
}

void *realloc(void *pointer, size_t size) {
    count(size);
    return __libc_realloc(pointer, size);
}

void *memalign(size_t alignment, size_t size) {
    count(size);
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    count(size);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **pointer, size_t alignment, size_t size) {
    if (alignment < sizeof(void *) || (alignment & (alignment - 1)) != 0) return EINVAL;
    count(size);
    void *memory = __libc_memalign(alignment, size);
    if (memory == NULL) return ENOMEM;
    *pointer = memory;
    return 0;
}
