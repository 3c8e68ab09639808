/* SPDX-License-Identifier: Apache-2.0 */
#include "trace.h"

#include "buffer.h"
#include "adopted.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __riscv
/* libc leaves struct user_regs_struct to the kernel there. */
#include <asm/ptrace.h>
#endif

/* What the kernel adds to SIGTRAP for a stop at a system call (PTRACE_O_TRACESYSGOOD).
 */
#define SYSCALL_STOP (SIGTRAP | 0x80)
#define LOST_STATUS 125
#define NOT_STARTED_STATUS 127

/* A thread of the loader. */
struct thread {
	pid_t id;
	/* Between a system call's start and its end. */
	bool inside;
	/* The attributes of a program's load that it is inside of; else 0. */
	uint64_t attributes;
	struct thread *next;
};

struct call {
	uint64_t number, first, second;
	int64_t result;
};

static struct thread *threads;

static struct thread *thread_of(pid_t id)
{
	struct thread *thread = threads;

	while (thread && thread->id != id)
		thread = thread->next;
	if (thread)
		return thread;
	thread = must_resize(NULL, 1, sizeof(*thread));
	*thread = (struct thread){.id = id, .next = threads};
	threads = thread;
	return thread;
}

/* ----------------------------------------------------------------- system calls */

/* The registers of a system call: another row for each architecture. */
static bool read_call(pid_t id, struct call *call)
{
#if defined(__x86_64__)
	struct user_regs_struct registers;
#elif defined(__aarch64__) || defined(__riscv)
	struct user_regs_struct registers;
#elif defined(__s390x__)
	struct _user_regs_struct registers;
	/* The number may be a part of the instruction: the kernel keeps it. */
	unsigned int number;
	struct iovec kept = {.iov_base = &number, .iov_len = sizeof(number)};
#else
#error "which registers hold a system call's arguments here?"
#endif
	struct iovec place = {.iov_base = &registers, .iov_len = sizeof(registers)};

	if (ptrace(PTRACE_GETREGSET, id, NT_PRSTATUS, &place))
		return false;
#if defined(__x86_64__)
	*call = (struct call){.number = registers.orig_rax,
			      .first = registers.rdi,
			      .second = registers.rsi,
			      .result = (int64_t)registers.rax};
#elif defined(__aarch64__)
	/* The first argument and the result share a register. */
	*call = (struct call){.number = registers.regs[8],
			      .first = registers.regs[0],
			      .second = registers.regs[1],
			      .result = (int64_t)registers.regs[0]};
#elif defined(__riscv)
	/* The same. */
	*call = (struct call){.number = registers.a7,
			      .first = registers.a0,
			      .second = registers.a1,
			      .result = (int64_t)registers.a0};
#elif defined(__s390x__)
	if (ptrace(PTRACE_GETREGSET, id, NT_S390_SYSTEM_CALL, &kept))
		return false;
	*call = (struct call){.number = number,
			      .first = registers.orig_gpr2,
			      .second = registers.gprs[3],
			      .result = (int64_t)registers.gprs[2]};
#endif
	return true;
}

static bool read_memory(pid_t id, uint64_t address, void *bytes, size_t size)
{
	char path[32];
	int memory;
	ssize_t got;

	snprintf(path, sizeof(path), "/proc/%d/mem", id);
	memory = open(path, O_RDONLY | O_CLOEXEC);
	if (memory < 0)
		return false;
	got = pread(memory, bytes, size, (off_t)address);
	close(memory);
	return got >= 0 && (size_t)got == size;
}

/* The id of the program that is open as a descriptor of the loader; 0 if it does not
 * tell.
 */
static uint32_t program_id(pid_t id, int64_t descriptor)
{
	char path[64], line[128];
	uint32_t found = 0;
	FILE *info;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%" PRId64, id, descriptor);
	info = fopen(path, "re");
	while (info && fgets(line, sizeof(line), info))
		if (!strncmp(line, "prog_id:", 8))
			found = (uint32_t)strtoul(line + 8, NULL, 10);
	if (info)
		fclose(info);
	return found;
}

static void keep(uint32_t id, const void *code, size_t size)
{
	char path[HANDED_PATH_SIZE];
	int file;

	handed_path(path, id);
	mkdir(HANDED_FOLDER, S_IRWXU);
	file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
	if (file < 0)
		return;
	/* Half of it would be taken for the whole. */
	if (write(file, code, size) != (ssize_t)size)
		unlink(path);
	close(file);
}

/* A program was loaded: keep its instructions. */
static void loaded(pid_t id, uint64_t attributes, int64_t descriptor)
{
	/* Its type, their number and their address. */
	struct {
		uint32_t type, count;
		uint64_t instructions;
	} given;
	uint32_t program = program_id(id, descriptor);
	size_t size;
	void *code;

	if (!program || !read_memory(id, attributes, &given, sizeof(given)))
		return;
	size = given.count * sizeof(struct bpf_insn);
	code = must_resize(NULL, given.count, sizeof(struct bpf_insn));
	if (read_memory(id, given.instructions, code, size))
		keep(program, code, size);
	free(code);
}

static void at_system_call(struct thread *thread)
{
	struct call call;

	thread->inside = !thread->inside;
	if (!read_call(thread->id, &call))
		return;
	if (thread->inside) {
		bool loads = call.number == SYS_bpf && call.first == BPF_PROG_LOAD;

		thread->attributes = loads ? call.second : 0;
	} else if (thread->attributes) {
		if (call.result >= 0)
			loaded(thread->id, thread->attributes, call.result);
		thread->attributes = 0;
	}
}

/* ------------------------------------------------------------------ the command */

static int ended(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Which signal a stopped thread is to get when it goes on. */
static int at_stop(pid_t id, int status)
{
	int signal = WSTOPSIG(status);
	struct thread *thread;

	if (signal == SYSCALL_STOP) {
		at_system_call(thread_of(id));
		return 0;
	}
	/* Events, such as that of a new thread. */
	if (status >> 16)
		return 0;
	/* A new thread stops once, before it begins. */
	thread = threads;
	while (thread && thread->id != id)
		thread = thread->next;
	if (!thread && signal == SIGSTOP) {
		thread_of(id);
		return 0;
	}
	return signal == SIGTRAP ? 0 : signal;
}

static int follow(pid_t command)
{
	for (;;) {
		int status, signal;
		pid_t id = waitpid(-1, &status, __WALL);

		if (id < 0 && errno == EINTR)
			continue;
		if (id < 0)
			return LOST_STATUS;
		if (!WIFSTOPPED(status)) {
			if (id == command)
				return ended(status);
			continue;
		}
		signal = at_stop(id, status);
		ptrace(PTRACE_SYSCALL, id, NULL, (void *)(intptr_t)signal);
	}
}

int trace(char *const *arguments)
{
	int status;
	pid_t command = fork();

	if (!command) {
		if (!ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			raise(SIGSTOP);
		execv(arguments[0], arguments);
		perror(arguments[0]);
		_exit(NOT_STARTED_STATUS);
	}
	if (command < 0 || waitpid(command, &status, 0) < 0) {
		perror("agent: trace");
		return LOST_STATUS;
	}
	if (!WIFSTOPPED(status))
		return ended(status);
	ptrace(PTRACE_SETOPTIONS, command, NULL,
	       (void *)(intptr_t)(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE |
				  PTRACE_O_EXITKILL));
	thread_of(command);
	ptrace(PTRACE_SYSCALL, command, NULL, NULL);
	return follow(command);
}
