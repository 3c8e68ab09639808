/* SPDX-License-Identifier: Apache-2.0 */
#include "there.h"

#include "arguments.h"
#include "text.h"

#include <bpf/libbpf.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LONGEST_PATH 512

/* As libbpf looks for it, which falls back on the second. */
static const char *const tracefs[] = {"/sys/kernel/tracing",
				      "/sys/kernel/debug/tracing"};

/* A function or type that the kernel's BTF tells of. */
static bool in_btf(const char *name, enum bpf_attach_type type)
{
	return libbpf_find_vmlinux_btf_id(name, type) > 0;
}

static bool is_raw_tracepoint(const char *name)
{
	return in_btf(name, BPF_TRACE_RAW_TP);
}

static bool is_hook(const char *name)
{
	return in_btf(name, BPF_LSM_MAC);
}

/* A file of tracefs, by what stands before and behind a name; "*" is anything. */
static bool in_tracefs(const char *before, const char *name, const char *behind)
{
	for (size_t i = 0; i < sizeof(tracefs) / sizeof(*tracefs); i++) {
		char path[LONGEST_PATH];
		glob_t found = {0};
		bool is_there;

		snprintf(path, sizeof(path), "%s/%s%s%s", tracefs[i], before, name,
			 behind);
		is_there = !glob(path, GLOB_NOSORT, NULL, &found) && found.gl_pathc;
		globfree(&found);
		if (is_there)
			return true;
	}
	return false;
}

static bool is_tracepoint(const char *place)
{
	return in_tracefs("events/", place, "/id");
}

static bool is_any_tracepoint(const char *name)
{
	return in_tracefs("events/*/", name, "/id");
}

/* Whether a line has a name behind some words: "vfs_read [module]". */
static bool names(const char *line, size_t words, const char *name)
{
	size_t length = strlen(name);

	while (words-- && *line) {
		line += strcspn(line, " ");
		line += *line == ' ';
	}
	return !strncmp(line, name, length) && strchr(" \t\n", line[length]);
}

static bool has_line(FILE *file, size_t words, const char *name)
{
	size_t size = 0;
	char *line = NULL;
	bool found = false;

	while (!found && getline(&line, &size, file) >= 0)
		found = names(line, words, name);
	free(line);
	return found;
}

/* Functions that may be traced; NULL where the kernel has no such list. */
static FILE *open_functions(void)
{
	FILE *file = NULL;

	for (size_t i = 0; !file && i < sizeof(tracefs) / sizeof(*tracefs); i++) {
		char path[LONGEST_PATH];

		snprintf(path, sizeof(path), "%s/available_filter_functions",
			 tracefs[i]);
		file = fopen(path, "re");
	}
	return file;
}

/* A function that kprobes may be put into. */
static bool is_probed(const char *place)
{
	char *name = strndup(place, strcspn(place, "+"));
	FILE *file = open_functions();
	/* Of kallsyms address and type stand before the name. */
	size_t words = file ? 0 : 2;
	bool found;

	if (!file)
		file = fopen("/proc/kallsyms", "re");
	found = file && has_line(file, words, name);
	if (file)
		fclose(file);
	free(name);
	return found;
}

/* BTF has functions that compilers changed by their plain name (pahole 1.25), by which
 * the kernel does not find them: "The address of function NAME cannot be found".
 */
static bool is_traced(const char *name)
{
	FILE *symbols;
	bool found;

	if (!in_btf(name, BPF_TRACE_FENTRY))
		return false;
	symbols = fopen("/proc/kallsyms", "re");
	found = !symbols || has_line(symbols, 2, name);
	if (symbols)
		fclose(symbols);
	return found;
}

static const struct kind {
	const char *name;
	bool (*is_there)(const char *place);
} kinds[] = {
	{"fentry", is_traced},
	{"fexit", is_traced},
	{"fmod_ret", is_traced},
	{"tp_btf", is_raw_tracepoint},
	{"lsm", is_hook},
	{"kprobe", is_probed},
	{"kretprobe", is_probed},
	{"tp", is_tracepoint},
	{"tracepoint", is_tracepoint},
	{"raw_tp", is_any_tracepoint},
	{"raw_tracepoint", is_any_tracepoint},
};

static bool is_there(const char *section)
{
	const char *place = section + (*section == '?'), *slash = strchr(place, '/');
	size_t length = strcspn(place, "./");

	if (!slash)
		return true;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strlen(kinds[i].name) == length &&
		    !strncmp(place, kinds[i].name, length))
			return kinds[i].is_there(slash + 1);
	return true;
}

json_t *there_operation(const json_t *request, struct failure *failure)
{
	const json_t *places;
	json_t *answers, *place;
	size_t i;

	if (!array_argument(request, "places", &places, failure))
		return NULL;
	json_array_foreach (places, i, place) {
		if (!json_is_string(place)) {
			wrong_argument(failure, "places", "a list of texts", places);
			return NULL;
		}
	}
	answers = json_array();
	json_array_foreach (places, i, place)
		json_array_append_new(answers,
				      json_boolean(is_there(json_string_value(place))));
	return json_pack("{s:o}", "there", answers);
}
