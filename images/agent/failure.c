/* SPDX-License-Identifier: Apache-2.0 */
#include "failure.h"

#include "buffer.h"

#include <bpf/libbpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Numbers that libc has no name for: the kernel's own, which bpf() lets through, and
 * libbpf's.
 */
static const struct {
	int number;
	const char *name;
} beyond_libc[] = {
	{512, "ERESTARTSYS"},
	{521, "EBADHANDLE"},
	{524, "ENOTSUPP"},
	{LIBBPF_ERRNO__LIBELF, "LIBBPF_ERRNO__LIBELF"},
	{LIBBPF_ERRNO__FORMAT, "LIBBPF_ERRNO__FORMAT"},
	{LIBBPF_ERRNO__KVERSION, "LIBBPF_ERRNO__KVERSION"},
	{LIBBPF_ERRNO__ENDIAN, "LIBBPF_ERRNO__ENDIAN"},
	{LIBBPF_ERRNO__INTERNAL, "LIBBPF_ERRNO__INTERNAL"},
	{LIBBPF_ERRNO__RELOC, "LIBBPF_ERRNO__RELOC"},
	{LIBBPF_ERRNO__LOAD, "LIBBPF_ERRNO__LOAD"},
	{LIBBPF_ERRNO__VERIFY, "LIBBPF_ERRNO__VERIFY"},
	{LIBBPF_ERRNO__PROG2BIG, "LIBBPF_ERRNO__PROG2BIG"},
	{LIBBPF_ERRNO__KVER, "LIBBPF_ERRNO__KVER"},
	{LIBBPF_ERRNO__PROGTYPE, "LIBBPF_ERRNO__PROGTYPE"},
	{LIBBPF_ERRNO__WRNGPID, "LIBBPF_ERRNO__WRNGPID"},
	{LIBBPF_ERRNO__INVSEQ, "LIBBPF_ERRNO__INVSEQ"},
	{LIBBPF_ERRNO__NLPARSE, "LIBBPF_ERRNO__NLPARSE"},
};

const char *errno_name(int error)
{
	for (size_t i = 0; i < sizeof(beyond_libc) / sizeof(*beyond_libc); i++)
		if (beyond_libc[i].number == error)
			return beyond_libc[i].name;
	return error ? strerrorname_np(error) : NULL;
}

static void set(struct failure *failure, int error, char *message)
{
	free(failure->message);
	failure->message = message;
	failure->error = error;
}

static char *formatted(const char *format, va_list arguments)
{
	char *text = NULL;

	if (vasprintf(&text, format, arguments) < 0)
		out_of_memory();
	return text;
}

json_t *fail(struct failure *failure, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	set(failure, 0, formatted(format, arguments));
	va_end(arguments);
	return NULL;
}

json_t *fail_errno(struct failure *failure, int error, const char *format, ...)
{
	char meaning[128];
	char *what, *message;
	va_list arguments;

	va_start(arguments, format);
	what = formatted(format, arguments);
	va_end(arguments);
	libbpf_strerror(error, meaning, sizeof(meaning));
	if (asprintf(&message, "%s: %s", what, meaning) < 0)
		out_of_memory();
	free(what);
	set(failure, error, message);
	return NULL;
}
