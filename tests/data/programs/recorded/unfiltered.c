/* Runs a program as a kernel without CONFIG_SECCOMP_FILTER would: whoever asks for a
 * filter is told that there are none.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(member)                                                                   \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define UNLESS(value, skipped) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skipped)
#define FAIL(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))

int main(int argc, char **argv)
{
	struct sock_filter code[] = {
		LOAD(nr),      UNLESS(SYS_seccomp, 1),
		FAIL(ENOSYS),  UNLESS(SYS_prctl, 3),
		LOAD(args[0]), UNLESS(PR_SET_SECCOMP, 1),
		FAIL(EINVAL),  BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(code) / sizeof(*code),
				     .filter = code};

	if (argc < 2 || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return 1;
	execv(argv[1], argv + 1);
	perror(argv[1]);
	return 1;
}
