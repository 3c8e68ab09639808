/* SPDX-License-Identifier: Apache-2.0 */
#include "tracee.h"

#include <elf.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <unistd.h>
#ifdef __riscv
/* libc leaves struct user_regs_struct to the kernel there. */
#include <asm/ptrace.h>
#endif

#define PAGE 4096

#if defined(__x86_64__)
const uint32_t call_architecture = AUDIT_ARCH_X86_64;
const bool call_marks_entry = true;

typedef struct user_regs_struct registers;

static struct call call_of(const registers *regs)
{
	return (struct call){
		.number = (int64_t)regs->orig_rax,
		.arguments = {regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8,
			      regs->r9},
		.result = (int64_t)regs->rax,
	};
}
#elif defined(__aarch64__)
const uint32_t call_architecture = AUDIT_ARCH_AARCH64;
const bool call_marks_entry = false;

typedef struct user_regs_struct registers;

static struct call call_of(const registers *regs)
{
	return (struct call){
		.number = (int64_t)regs->regs[8],
		.arguments = {regs->regs[0], regs->regs[1], regs->regs[2],
			      regs->regs[3], regs->regs[4], regs->regs[5]},
		.result = (int64_t)regs->regs[0],
	};
}
#elif defined(__riscv) && __riscv_xlen == 64
const uint32_t call_architecture = AUDIT_ARCH_RISCV64;
const bool call_marks_entry = false;

typedef struct user_regs_struct registers;

static struct call call_of(const registers *regs)
{
	return (struct call){
		.number = (int64_t)regs->a7,
		.arguments = {regs->a0, regs->a1, regs->a2, regs->a3, regs->a4,
			      regs->a5},
		.result = (int64_t)regs->a0,
	};
}
#elif defined(__s390x__)
const uint32_t call_architecture = AUDIT_ARCH_S390X;
const bool call_marks_entry = false;

typedef struct _user_regs_struct registers;

static struct call call_of(const registers *regs)
{
	return (struct call){
		.arguments = {regs->orig_gpr2, regs->gprs[3], regs->gprs[4],
			      regs->gprs[5], regs->gprs[6], regs->gprs[7]},
		.result = (int64_t)regs->gprs[2],
	};
}
#else
#error "which registers hold a system call's arguments?"
#endif

#ifdef __s390x__
/* On s390x the number may be a part of the instruction: the kernel keeps it. */
static bool tracee_number(pid_t thread, int64_t *number)
{
	unsigned int kept;
	struct iovec place = {&kept, sizeof(kept)};

	if (ptrace(PTRACE_GETREGSET, thread, NT_S390_SYSTEM_CALL, &place) < 0)
		return false;
	*number = kept;
	return true;
}
#endif

bool tracee_call(pid_t thread, struct call *call)
{
	registers regs;
	struct iovec all = {&regs, sizeof(regs)};

	if (ptrace(PTRACE_GETREGSET, thread, NT_PRSTATUS, &all) < 0)
		return false;
	*call = call_of(&regs);
#ifdef __s390x__
	return tracee_number(thread, &call->number);
#else
	return true;
#endif
}

size_t tracee_read(pid_t thread, uint64_t address, void *bytes, size_t size)
{
	char path[64];
	size_t got = 0;
	int memory;

	/* Not process_vm_readv(), which a kernel may be built without. */
	snprintf(path, sizeof(path), "/proc/%d/mem", thread);
	memory = open(path, O_RDONLY | O_CLOEXEC);
	if (memory < 0)
		return 0;
	while (got < size) {
		ssize_t more = pread(memory, (char *)bytes + got, size - got,
				     (off_t)(address + got));

		if (more <= 0)
			break;
		got += (size_t)more;
	}
	close(memory);
	return got;
}

void tracee_text(pid_t thread, uint64_t address, char *text, size_t size)
{
	size_t got = 0;

	/* A page at a time: the next one may be missing. */
	while (address && got < size - 1 && !memchr(text, '\0', got)) {
		size_t left = PAGE - (address + got) % PAGE;
		size_t wanted = left < size - 1 - got ? left : size - 1 - got;
		size_t more = tracee_read(thread, address + got, text + got, wanted);

		got += more;
		if (more < wanted)
			break;
	}
	text[got] = '\0';
}

pid_t tracee_process(pid_t thread)
{
	char path[64], line[128];
	pid_t process = thread;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%d/status", thread);
	status = fopen(path, "re");
	while (status && fgets(line, sizeof(line), status))
		if (sscanf(line, "Tgid: %d", &process) == 1)
			break;
	if (status)
		fclose(status);
	return process;
}
