/* SPDX-License-Identifier: Apache-2.0 */
#include "call_filter.h"

#include "tracee.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ANY (-1)

/* The calls that stop: by number, and by what the lower half of an argument is. */
static const struct {
	unsigned int number;
	/* ANY for every one. */
	int argument;
	unsigned int value;
} stopping[] = {
	{SYS_bpf, 0, BPF_MAP_CREATE},
	{SYS_bpf, 0, BPF_PROG_LOAD},
	{SYS_bpf, 0, BPF_PROG_ATTACH},
	{SYS_bpf, 0, BPF_RAW_TRACEPOINT_OPEN},
	{SYS_bpf, 0, BPF_LINK_CREATE},
	{SYS_perf_event_open, ANY, 0},
	{SYS_ioctl, 1, PERF_EVENT_IOC_SET_BPF},
	{SYS_setsockopt, 2, SO_ATTACH_BPF},
	{SYS_setsockopt, 2, SO_ATTACH_REUSEPORT_EBPF},
	{SYS_ptrace, 0, PTRACE_TRACEME},
	{SYS_ptrace, 0, PTRACE_ATTACH},
	{SYS_ptrace, 0, PTRACE_SEIZE},
};
#define STOPPING (sizeof(stopping) / sizeof(*stopping))
/* Instructions for each of them, and before and behind them. */
#define EACH 5
#define BEFORE 3
#define AFTER 1

#define AT(member) ((unsigned int)offsetof(struct seccomp_data, member))
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define UNLESS(value, skipped) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skipped)
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, action)

bool call_filter_install(void)
{
	struct sock_filter code[BEFORE + STOPPING * EACH + AFTER] = {
		LOAD(AT(arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call_architecture, 1, 0),
		RETURN(SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(code) / sizeof(*code),
				     .filter = code};
	struct sock_filter *next = code + BEFORE;

	for (size_t i = 0; i < STOPPING; i++) {
		int argument = stopping[i].argument;
		const struct sock_filter given[EACH] = {
			LOAD(AT(nr)),
			UNLESS(stopping[i].number, 3),
			/* Little endian: its lower half is at its start. */
			LOAD(argument == ANY ? AT(nr) : AT(args[argument])),
			UNLESS(argument == ANY ? stopping[i].number : stopping[i].value,
			       1),
			RETURN(SECCOMP_RET_TRACE),
		};

		for (size_t j = 0; j < EACH; j++)
			*next++ = given[j];
	}
	*next = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
	/* Before 5.16 a filter switches speculation off, which slows a program down,
	 * unless it says otherwise; it can since 4.17.
	 */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		    SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) == 0)
		return true;
	return errno == EINVAL &&
	       syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}
