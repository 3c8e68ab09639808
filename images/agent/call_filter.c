/* SPDX-License-Identifier: Apache-2.0 */
#include "call_filter.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST_VALUES 5

/* The calls that stop: by number, and by what the lower half of an argument is. */
static const struct stopping {
	unsigned int number;
	int argument;
	/* None for a call that stops whatever it is given. */
	size_t count;
	unsigned int values[MOST_VALUES];
} stopping[] = {
	{SYS_bpf,
	 0,
	 5,
	 {BPF_MAP_CREATE, BPF_PROG_LOAD, BPF_PROG_ATTACH, BPF_RAW_TRACEPOINT_OPEN,
	  BPF_LINK_CREATE}},
	{SYS_perf_event_open, 0, 0, {0}},
	{SYS_ioctl, 1, 1, {PERF_EVENT_IOC_SET_BPF}},
	{SYS_setsockopt, 2, 2, {SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_EBPF}},
	{SYS_ptrace, 0, 3, {PTRACE_TRACEME, PTRACE_ATTACH, PTRACE_SEIZE}},
};
#define STOPPING (sizeof(stopping) / sizeof(*stopping))
/* Instructions for each of them at most, and before and behind them. */
#define EACH (MOST_VALUES + 4)
#define BEFORE 4
#define AFTER 1

#define AT(member) ((unsigned int)offsetof(struct seccomp_data, member))
/* Where the lower half of an argument is in it. */
#define LOWER_HALF (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0)
#define LOAD(offset) ((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset))
#define RETURN(action) ((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action))
/* Skips some instructions if what was loaded is a value, and others if not. */
#define SKIP(value, is, is_not)                                                        \
	((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value,                \
				      (unsigned char)(is), (unsigned char)(is_not)))

/* Appends the instructions for one call, with its number loaded; returns their end. */
static struct sock_filter *append(struct sock_filter *next, const struct stopping *call)
{
	size_t count = call->count;

	if (!count) {
		*next++ = SKIP(call->number, 0, 1);
		*next++ = RETURN(SECCOMP_RET_TRACE);
		return next;
	}
	*next++ = SKIP(call->number, 0, count + 3);
	*next++ = LOAD(AT(args[call->argument]) + LOWER_HALF);
	for (size_t i = 0; i < count; i++)
		*next++ = SKIP(call->values[i], count - i, 0);
	*next++ = RETURN(SECCOMP_RET_ALLOW);
	*next++ = RETURN(SECCOMP_RET_TRACE);
	return next;
}

bool call_filter_is_possible(void)
{
	/* Without a program: EFAULT from a kernel that would take one (prctl(2)). */
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL, 0, 0) < 0 &&
	       errno == EFAULT;
}

bool call_filter_stops(const struct call *call)
{
	for (size_t i = 0; i < STOPPING; i++) {
		const struct stopping *it = &stopping[i];

		if (call->number != it->number)
			continue;
		for (size_t j = 0; j < it->count; j++)
			if ((unsigned int)call->arguments[it->argument] ==
			    it->values[j])
				return true;
		return !it->count;
	}
	return false;
}

bool call_filter_install(void)
{
	struct sock_filter code[BEFORE + STOPPING * EACH + AFTER] = {
		LOAD(AT(arch)),
		SKIP(call_architecture, 1, 0),
		RETURN(SECCOMP_RET_ALLOW),
		LOAD(AT(nr)),
	};
	struct sock_filter *next = code + BEFORE;
	struct sock_fprog program = {.filter = code};

	for (size_t i = 0; i < STOPPING; i++)
		next = append(next, &stopping[i]);
	*next++ = RETURN(SECCOMP_RET_ALLOW);
	program.len = (unsigned short)(next - code);
	/* Before 5.16 a filter switches speculation off, which slows a program down,
	 * unless it says otherwise; it can since 4.17.
	 */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		    SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) == 0)
		return true;
	return errno == EINVAL &&
	       syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}
