/* SPDX-License-Identifier: Apache-2.0 */
/* Another thread that is stopped by ptrace(2): its system call, and its memory. */
#ifndef TRACEE_H
#define TRACEE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CALL_ARGUMENTS 6

/* A system call, as the registers of a thread have it. */
struct call {
	int64_t number;
	uint64_t arguments[CALL_ARGUMENTS];
	/* On x86 -ENOSYS until it was made. */
	int64_t result;
};

/* Whether `result` tells a call that is to be made from one that was made. */
extern const bool call_marks_entry;

/* The architecture whose system calls are read (AUDIT_ARCH_…), for seccomp. */
extern const uint32_t call_architecture;

/* False when the thread is gone. */
bool tracee_call(pid_t thread, struct call *call);

/* Reads up to `size` bytes of its memory; returns how many there are. */
size_t tracee_read(pid_t thread, uint64_t address, void *bytes, size_t size);
/* Reads a text of at most `size` - 1 bytes; it is empty where there is none. */
void tracee_text(pid_t thread, uint64_t address, char *text, size_t size);

/* The process of a thread, or the thread itself if nothing says. */
pid_t tracee_process(pid_t thread);

#endif
