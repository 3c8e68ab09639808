/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include "buffer.h"
#include "text.h"

#include <bpf/libbpf.h>
#include <stdarg.h>
#include <stdio.h>

static struct buffer words;

static int keep(enum libbpf_print_level level, const char *format, va_list arguments)
{
	va_list again;
	int length;

	(void)level;
	va_copy(again, arguments);
	length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (length <= 0)
		return length;
	/* Room for the NUL of vsnprintf(), which then may become the newline. */
	buffer_reserve(&words, (size_t)length + 1);
	vsnprintf((char *)words.data + words.size, (size_t)length + 1, format,
		  arguments);
	words.size += (size_t)length;
	if (words.data[words.size - 1] != '\n')
		words.data[words.size++] = '\n';
	return length;
}

void log_add(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	keep(LIBBPF_INFO, format, arguments);
	va_end(arguments);
}

void log_start(void)
{
	libbpf_set_print(keep);
}

void log_clear(void)
{
	/* A verifier's log may have been megabytes; guests are small. */
	buffer_free(&words);
}

size_t log_size(void)
{
	return words.size;
}

json_t *log_json(void)
{
	return text_json(words.data ? (char *)words.data : "", words.size);
}
