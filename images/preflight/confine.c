// SPDX-License-Identifier: Apache-2.0
#include "confine.h"

#include <errno.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#define MEMORY (1ull << 30)

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#ifdef __SANITIZE_ADDRESS__

/* The sanitizer maps terabytes, and asks the system for much at the end. */
int confine_process(void)
{
	return 0;
}

#else

/* What malloc, stdio and the end of a process ask for; and libbpf, which from 1.4 on
 * sets an empty file without a name aside for each map. The number alone decides: calls
 * of another architecture have others, and this program makes none.
 */
static const int calls[] = {
	SYS_recvmsg,	SYS_close,	  SYS_read,	    SYS_write,	 SYS_brk,
	SYS_mmap,	SYS_munmap,	  SYS_mremap,	    SYS_madvise, SYS_setitimer,
	SYS_exit_group, SYS_rt_sigreturn, SYS_newfstatat,   SYS_fstat,	 SYS_futex,
	SYS_getrandom,	SYS_uname,	  SYS_memfd_create,
};

int confine_process(void)
{
	struct rlimit memory = {MEMORY, MEMORY}, none = {0, 0};
	struct sock_filter filter[2 * LENGTH(calls) + 2];
	struct sock_fprog program = {.filter = filter};
	struct sock_filter *f = filter;

	*f++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					    offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < LENGTH(calls); i++) {
		*f++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i],
						    0, 1);
		*f++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	}
	*f++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
	program.len = f - filter;
	if (setrlimit(RLIMIT_AS, &memory) || setrlimit(RLIMIT_CORE, &none) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	/* A kernel or a container without seccomp is no reason to stop. */
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
	return 0;
}

#endif

void confine_time(int seconds)
{
	struct itimerval timer = {.it_value.tv_sec = seconds};

	setitimer(ITIMER_PROF, &timer, NULL);
}
