/* SPDX-License-Identifier: Apache-2.0 */
#include "functions.h"

#include "buffer.h"
#include "text.h"

#include <errno.h>
#include <search.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SYMBOLS "/proc/kallsyms"
/* More names than kernels have functions: 200,000 with all options. */
#define MOST_NAMES (1 << 19)

static const char *const lists[] = {
	"/sys/kernel/tracing/available_filter_functions",
	"/sys/kernel/debug/tracing/available_filter_functions"};
static const char *const suffixes[] = {".isra.", ".constprop.", ".part.", ".cold",
				       ".llvm."};
/* Paddings of functions since 6.2 (b341b20d648b), and static calls. */
static const char *const no_functions[] = {"__pfx_", "__SCT__", "__cfi_"};

/* What is known of a name; or-ed. */
enum { TRACEABLE = 1, STEM = 2 };

/* By name. The table only points to names. */
struct names {
	struct hsearch_data table;
	/* Those of functions that compilers changed, without the suffix. */
	char **stems;
	size_t stem_count;
};

static void mark(struct names *names, char *name, unsigned long flag)
{
	ENTRY wanted = {.key = name, .data = NULL}, *found;

	if (!hsearch_r(wanted, ENTER, &found, &names->table))
		out_of_memory();
	found->data = (void *)((unsigned long)found->data | flag);
}

static unsigned long flags(struct names *names, char *name)
{
	ENTRY wanted = {.key = name}, *found;

	return hsearch_r(wanted, FIND, &found, &names->table)
		       ? (unsigned long)found->data
		       : 0;
}

/* The whole of a file of which nobody knows the size; false when it can't be read. */
static bool read_all(const char *path, struct buffer *content)
{
	static char chunk[1 << 16];
	FILE *file = fopen(path, "re");
	size_t size;

	if (!file)
		return false;
	while ((size = fread(chunk, 1, sizeof(chunk), file)))
		buffer_append(content, chunk, size);
	fclose(file);
	buffer_append(content, "", 1);
	return true;
}

/* The next line, ended by a 0; NULL behind the last. */
static char *next_line(char **rest)
{
	char *line = *rest, *end = strchr(line, '\n');

	if (!end)
		return NULL;
	*end = '\0';
	*rest = end + 1;
	return line;
}

/* The name of a function of the kernel's own, in a line of kallsyms, or NULL. */
static char *function_of(char *line)
{
	char *type = strchr(line, ' '), *name;

	if (!type || !strchr("tTwW", type[1]) || type[2] != ' ')
		return NULL;
	name = type + 3;
	/* "nf_ct_get\t[nf_conntrack]". */
	if (strchr(name, '\t'))
		return NULL;
	for (size_t i = 0; i < sizeof(no_functions) / sizeof(*no_functions); i++)
		if (!strncmp(name, no_functions[i], strlen(no_functions[i])))
			return NULL;
	return name;
}

static char *suffix_of(char *name)
{
	char *dot = strchr(name, '.');

	for (size_t i = 0; dot && i < sizeof(suffixes) / sizeof(*suffixes); i++)
		if (strstr(dot, suffixes[i]))
			return dot;
	return NULL;
}

static void mark_traceable(struct names *names, char *list)
{
	char *line;

	while ((line = next_line(&list)))
		if (!strchr(line, ' '))
			mark(names, line, TRACEABLE);
}

/* Collects the functions' names, and marks those of which there are changed ones. */
static size_t collect(struct names *names, char *symbols, char **functions)
{
	size_t count = 0;
	char *line;

	while ((line = next_line(&symbols)) && count < MOST_NAMES) {
		char *name = function_of(line), *dot = name ? suffix_of(name) : NULL;

		if (!name)
			continue;
		functions[count++] = name;
		if (dot) {
			char *stem = strndup(name, (size_t)(dot - name));

			if (!stem)
				out_of_memory();
			names->stems[names->stem_count++] = stem;
			mark(names, stem, STEM);
		}
	}
	return count;
}

static void tell(struct names *names, char *name, struct buffer *told)
{
	unsigned long known = flags(names, name);

	if ((known & TRACEABLE) && !(known & STEM) && !suffix_of(name))
		return;
	buffer_append(told, known & TRACEABLE ? "+" : "-", 1);
	buffer_append(told, name, strlen(name));
	buffer_append(told, "\n", 1);
}

json_t *functions_operation(const json_t *request, struct failure *failure)
{
	struct buffer symbols = {0}, traceable = {0}, told = {0};
	struct names names = {0};
	char **functions;
	json_t *result;
	size_t count;

	(void)request;
	if (!read_all(SYMBOLS, &symbols))
		return fail_errno(failure, errno, "can't read %s", SYMBOLS);
	/* Without CONFIG_DYNAMIC_FTRACE there is no list: then nothing is known of it.
	 */
	if (!read_all(lists[0], &traceable) && !read_all(lists[1], &traceable)) {
		buffer_free(&symbols);
		return fail_errno(failure, errno, "can't read %s", lists[0]);
	}
	if (!hcreate_r(MOST_NAMES, &names.table))
		out_of_memory();
	functions = must_resize(NULL, MOST_NAMES, sizeof(*functions));
	names.stems = must_resize(NULL, MOST_NAMES, sizeof(*names.stems));
	mark_traceable(&names, (char *)traceable.data);
	count = collect(&names, (char *)symbols.data, functions);
	for (size_t i = 0; i < count; i++)
		tell(&names, functions[i], &told);
	result = json_pack("{s:o}", "functions", text_json(told.data, told.size));
	hdestroy_r(&names.table);
	while (names.stem_count)
		free(names.stems[--names.stem_count]);
	free(names.stems);
	free(functions);
	buffer_free(&symbols);
	buffer_free(&traceable);
	buffer_free(&told);
	return result;
}
