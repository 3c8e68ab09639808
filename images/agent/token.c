/* SPDX-License-Identifier: Apache-2.0 */
#include "token.h"

#include "log.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NONE (-1)
/* Of include/uapi/linux/bpf.h of 6.9, which the machine's headers may lack. */
#define TOKEN_CREATE 36
#define TOKEN_FLAG (1u << 16)
/* More than any `union bpf_attr` has. */
#define MOST_ATTRIBUTES 256

/* Calls that take a token, and where their attributes have flags and the token. */
static const struct taker {
	int command;
	size_t flags;
	size_t token;
} takers[] = {
	{BPF_MAP_CREATE, 16, 76},
	{BPF_PROG_LOAD, 44, 144},
	{BPF_BTF_LOAD, 32, 36},
};

static int token = NONE;

static bool libbpf_has_tokens(void)
{
	return libbpf_major_version() > 1 || libbpf_minor_version() >= 5;
}

bool token_begin(const char *bpffs, struct failure *failure)
{
	struct {
		uint32_t flags;
		uint32_t bpffs;
	} wanted = {0};
	int folder, error;

	if (libbpf_has_tokens())
		return true;
	folder = open(bpffs, O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return fail_errno(failure, errno, "can't open %s", bpffs);
	wanted.bpffs = (uint32_t)folder;
	token = (int)__real_syscall(SYS_bpf, TOKEN_CREATE, &wanted, sizeof(wanted));
	error = errno;
	close(folder);
	if (token < 0)
		return fail_errno(failure, error, "can't create a token from %s",
				  bpffs);
	log_add("agent: libbpf %u.%u knows no tokens; its calls get one on their way",
		libbpf_major_version(), libbpf_minor_version());
	return true;
}

void token_end(void)
{
	if (token >= 0)
		close(token);
	token = NONE;
}

static const struct taker *taker_of(long number, int command)
{
	if (token < 0 || number != SYS_bpf)
		return NULL;
	for (size_t i = 0; i < sizeof(takers) / sizeof(*takers); i++)
		if (takers[i].command == command)
			return &takers[i];
	return NULL;
}

/* Makes a call with a copy of its attributes that has the token. */
static long call_with_token(const struct taker *taker, const void *given, size_t size)
{
	unsigned char attributes[MOST_ATTRIBUTES] = {0};
	size_t end = taker->token + sizeof(token);
	uint32_t flags;

	if (size > sizeof(attributes)) {
		errno = E2BIG;
		return -1;
	}
	memcpy(attributes, given, size);
	memcpy(&flags, attributes + taker->flags, sizeof(flags));
	flags |= TOKEN_FLAG;
	memcpy(attributes + taker->flags, &flags, sizeof(flags));
	memcpy(attributes + taker->token, &token, sizeof(token));
	return __real_syscall(SYS_bpf, taker->command, attributes,
			      size > end ? size : end);
}

/* As the C library's own, it reads six arguments however many there are. */
__attribute__((no_sanitize_address)) long __wrap_syscall(long number, ...)
{
	const struct taker *taker;
	long arguments[6];
	va_list list;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		arguments[i] = va_arg(list, long);
	va_end(list);
	/* Of what is an int, half of its register may be anything. */
	taker = taker_of(number, (int)arguments[0]);
	if (taker)
		return call_with_token(taker, (const void *)arguments[1],
				       (unsigned)arguments[2]);
	return __real_syscall(number, arguments[0], arguments[1], arguments[2],
			      arguments[3], arguments[4], arguments[5]);
}
