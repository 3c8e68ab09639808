// SPDX-License-Identifier: Apache-2.0
#include "answer.h"

#include "describe.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bpf/libbpf.h>

static char said[1024];

json_t *answer_error(const char *text)
{
	return json_pack("{s:s}", "error", text);
}

json_t *answer_error_saying(const char *text)
{
	json_t *whole = describe_text(said[0] ? said : text);

	return json_pack("{s:o}", "error", whole);
}

const char *answer_warnings(void)
{
	return said;
}

void answer_forget_warnings(void)
{
	said[0] = 0;
}

static int hear(enum libbpf_print_level level, const char *format, va_list arguments)
{
	size_t used = strlen(said);

	if (level == LIBBPF_WARN || strstr(format, UNKNOWN_KIND))
		vsnprintf(said + used, sizeof(said) - used, format, arguments);
	return 0;
}

void answer_keep_warnings(void)
{
	libbpf_set_print(hear);
}
