/* SPDX-License-Identifier: Apache-2.0 */
#include "census.h"

#include "arguments.h"
#include "census_files.h"
#include "census_network.h"
#include "kernel_log.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* PF_KTHREAD of include/linux/sched.h: a thread of the kernel's own. */
#define KERNEL_THREAD 0x00200000
#define LONGEST_LINE 1024

/* -------------------------------------------------------------------- BPF */

/* The ids of all programs, maps, …; null where the kernel does not tell. */
static json_t *ids_json(int command)
{
	union bpf_attr attribute = {0};
	json_t *ids = json_array();
	char text[16];

	while (!syscall(SYS_bpf, command, &attribute, sizeof(attribute))) {
		snprintf(text, sizeof(text), "%u", attribute.next_id);
		json_array_append_new(ids, json_string(text));
		attribute.start_id = attribute.next_id;
		attribute.next_id = 0;
	}
	if (errno == ENOENT)
		return ids;
	json_decref(ids);
	return json_null();
}

static json_t *programs(void)
{
	return ids_json(BPF_PROG_GET_NEXT_ID);
}

static json_t *maps(void)
{
	return ids_json(BPF_MAP_GET_NEXT_ID);
}

static json_t *links(void)
{
	return ids_json(BPF_LINK_GET_NEXT_ID);
}

static json_t *btfs(void)
{
	return ids_json(BPF_BTF_GET_NEXT_ID);
}

static json_t *pins(void)
{
	return tree_json("/sys/fs/bpf", false);
}

/* ------------------------------------------------------------ what is traced */

/* The lines of a file, or what comes before `end` in each; null where there is none. */
static json_t *lines_json(const char *path, const char *end)
{
	FILE *file = fopen(path, "re");
	char line[LONGEST_LINE];
	json_t *lines;

	if (!file)
		return json_null();
	lines = json_array();
	while (fgets(line, sizeof(line), file))
		json_array_append_new(lines, text_json(line, strcspn(line, end)));
	fclose(file);
	return lines;
}

static const char *trace_path(const char *name)
{
	/* Looking at the second would mount it. */
	bool is_mounted = !access("/sys/kernel/tracing/trace", F_OK);
	static char path[256];

	snprintf(path, sizeof(path), "/sys/kernel/%s/%s",
		 is_mounted ? "tracing" : "debug/tracing", name);
	return path;
}

static json_t *kprobe_events(void)
{
	return lines_json(trace_path("kprobe_events"), "\n");
}

static json_t *uprobe_events(void)
{
	return lines_json(trace_path("uprobe_events"), "\n");
}

/* Tracepoints that are switched on: bpf_printk() switches its own on for good. */
static json_t *events(void)
{
	return lines_json(trace_path("set_event"), "\n");
}

static json_t *tracer(void)
{
	return lines_json(trace_path("current_tracer"), "\n");
}

/* How many lines each processor's trace buffer holds, such as of bpf_printk(). */
static json_t *trace_buffers(void)
{
	json_t *found = json_array();

	for (long cpu = 0; cpu < sysconf(_SC_NPROCESSORS_CONF); cpu++) {
		char name[64];
		json_t *lines;

		snprintf(name, sizeof(name), "per_cpu/cpu%ld/stats", cpu);
		lines = lines_json(trace_path(name), "\n");
		/* "entries: 0" and "overrun: 0" come first. */
		for (size_t i = 0; i < 2 && i < json_array_size(lines); i++)
			json_array_append(found, json_array_get(lines, i));
		json_decref(lines);
	}
	return found;
}

/* --------------------------------------------------------------- the system */

static json_t *modules(void)
{
	return lines_json("/proc/modules", " ");
}

static json_t *mounts(void)
{
	return lines_json("/proc/self/mounts", "\n");
}

static json_t *cgroups(void)
{
	return tree_json("/sys/fs/cgroup", true);
}

static json_t *taint(void)
{
	return lines_json("/proc/sys/kernel/tainted", "\n");
}

static json_t *log_size(void)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", kernel_log_size());
	return json_pack("[s]", text);
}

/* A process by its name; NULL for a thread of the kernel, and one that is gone. */
static json_t *process_json(const char *pid)
{
	char path[64], text[LONGEST_LINE];
	char *name, *end;
	unsigned int flags;
	size_t size;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return NULL;
	size = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[size] = '\0';
	name = strchr(text, '(');
	end = strrchr(text, ')');
	if (!name || !end || sscanf(end, ") %*c %*d %*d %*d %*d %*d %u", &flags) != 1 ||
	    flags & KERNEL_THREAD)
		return NULL;
	*end = '\0';
	return string_json(name + 1);
}

static json_t *processes(void)
{
	DIR *folder = opendir("/proc");
	json_t *found = json_array();
	const struct dirent *entry;

	while (folder && (entry = readdir(folder))) {
		json_t *each = NULL;

		if (strspn(entry->d_name, "0123456789") == strlen(entry->d_name))
			each = process_json(entry->d_name);
		if (each)
			json_array_append_new(found, each);
	}
	if (folder)
		closedir(folder);
	return found;
}

/* What the agent itself has open. */
static json_t *descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	json_t *found = json_array();
	const struct dirent *entry;
	char path[300], target[256];

	while (folder && (entry = readdir(folder))) {
		ssize_t length;

		snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
		length = readlink(path, target, sizeof(target) - 1);
		if (length < 0 || atoi(entry->d_name) == dirfd(folder))
			continue;
		json_array_append_new(found, text_json(target, (size_t)length));
	}
	if (folder)
		closedir(folder);
	return found;
}

static json_int_t available_memory(void)
{
	FILE *info = fopen("/proc/meminfo", "re");
	long long kib = 0;
	char line[256];

	while (info && fgets(line, sizeof(line), info))
		sscanf(line, "MemAvailable: %lld kB", &kib);
	if (info)
		fclose(info);
	return (json_int_t)kib;
}

static const struct {
	const char *name;
	json_t *(*take)(void);
} parts[] = {
	{"programs", programs},
	{"maps", maps},
	{"links", links},
	{"BTFs", btfs},
	{"pins", pins},
	{"kprobe events", kprobe_events},
	{"uprobe events", uprobe_events},
	{"events", events},
	{"tracer", tracer},
	{"trace buffers", trace_buffers},
	{"cgroups", cgroups},
	{"interfaces", interfaces_json},
	{"addresses", addresses_json},
	{"qdiscs", qdiscs_json},
	{"modules", modules},
	{"mounts", mounts},
	{"processes", processes},
	{"descriptors of the agent", descriptors},
	{"files", files_json},
	{"taint", taint},
};

json_t *census_operation(const json_t *request, struct failure *failure)
{
	json_int_t sysctls = 0;
	json_t *found;

	if (!integer_argument(request, "sysctls", OPTIONAL, 0, 1, &sysctls, failure))
		return NULL;
	found = json_object();
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		json_object_set_new(found, parts[i].name, parts[i].take());
	/* They take longer than all else, and only commands set some. */
	if (sysctls)
		json_object_set_new(found, "sysctls", sysctls_json());
	/* Last: the kernel may have logged something about the above. */
	json_object_set_new(found, "kernel log", log_size());
	return json_pack("{s:o, s:I}", "parts", found, "available_kib",
			 available_memory());
}
