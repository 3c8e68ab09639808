/* SPDX-License-Identifier: Apache-2.0 */
#include "places.h"

#include "buffer.h"
#include "perf_events.h"
#include "tracee.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <limits.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EVENTS "/sys/kernel/tracing/events"
#define EVENTS_OF_OLD "/sys/kernel/debug/tracing/events"
#define LONGEST 256
#define MOST_FUNCTIONS 3
/* Attach types that are newer than the headers of Debian 12. */
#define TCX_INGRESS 46	  /* 6.6 */
#define TCX_EGRESS 47	  /* 6.6 */
#define NETKIT_PRIMARY 54 /* 6.7 */
#define NETKIT_PEER 55	  /* 6.7 */

char *text_of(const char *format, ...)
{
	va_list arguments;
	char *text = NULL;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		out_of_memory();
	va_end(arguments);
	return text;
}

/* ------------------------------------------------------------ perf events */

/* A number that a file holds, or -1. */
static long long number_in(const char *path)
{
	FILE *file = fopen(path, "re");
	long long number;

	if (!file)
		return -1;
	if (fscanf(file, "%lld", &number) != 1)
		number = -1;
	fclose(file);
	return number;
}

static const char *events_folder(void)
{
	return access(EVENTS, X_OK) == 0 ? EVENTS : EVENTS_OF_OLD;
}

/* The probe of kprobe_events or uprobe_events whose id is `id`; NULL if none is. Its
 * lines are "p:GROUP/NAME TARGET …".
 */
static char *dynamic_probe(const char *kind, long long id)
{
	char *path = text_of("%s/../%s_events", events_folder(), kind);
	FILE *file = fopen(path, "re");
	char line[1024], event[LONGEST], target[LONGEST], *found = NULL, type;

	free(path);
	while (file && !found && fgets(line, sizeof(line), file)) {
		/* "r16:kprobes/name": at most 16 instances of a return probe. */
		if (sscanf(line, "%c%*[0-9]:%255s %255s", &type, event, target) != 3 &&
		    sscanf(line, "%c:%255s %255s", &type, event, target) != 3)
			continue;
		path = text_of("%s/%s/id", events_folder(), event);
		if (number_in(path) == id)
			found = text_of("%c%sprobe/%s", *kind, type == 'r' ? "ret" : "",
					target);
		free(path);
	}
	if (file)
		fclose(file);
	return found;
}

/* The kernel's own tracepoints: some 1,500, each with a file, read once. */
static struct tracepoint {
	long long id;
	char *name;
} * tracepoints;
static size_t tracepoint_count;

static void add_tracepoints(const char *group)
{
	char *path = text_of("%s/%s", events_folder(), group);
	DIR *names = opendir(path);
	const struct dirent *entry;
	long long id;
	char *file;

	while (names && (entry = readdir(names))) {
		if (entry->d_name[0] == '.')
			continue;
		file = text_of("%s/%s/id", path, entry->d_name);
		id = number_in(file);
		free(file);
		if (id < 0)
			continue;
		tracepoints = must_resize(tracepoints, tracepoint_count + 1,
					  sizeof(*tracepoints));
		tracepoints[tracepoint_count++] = (struct tracepoint){
			id, text_of("tracepoint/%s/%s", group, entry->d_name)};
	}
	if (names)
		closedir(names);
	free(path);
}

static char *tracepoint(long long id)
{
	char *found = dynamic_probe("kprobe", id);
	const struct dirent *entry;
	DIR *groups;

	if (!found)
		found = dynamic_probe("uprobe", id);
	if (found)
		return found;
	groups = tracepoint_count ? NULL : opendir(events_folder());
	while (groups && (entry = readdir(groups)))
		if (entry->d_name[0] != '.')
			add_tracepoints(entry->d_name);
	if (groups)
		closedir(groups);
	for (size_t i = 0; i < tracepoint_count; i++)
		if (tracepoints[i].id == id)
			return text_of("%s", tracepoints[i].name);
	return text_of("tracepoint");
}

/* The type of events of "kprobe" or "uprobe" (4.17); -1 where the kernel has none. */
static long long probe_type(const char *kind)
{
	char *path = text_of("/sys/bus/event_source/devices/%s/type", kind);
	long long type = number_in(path);

	free(path);
	return type;
}

static char *probe(pid_t thread, const char *kind, const struct perf_event_attr *event)
{
	/* "config:0" is what both kinds' format/retprobe say. */
	const char *prefix = event->config & 1 ? "ret" : "";
	char name[LONGEST];

	tracee_text(thread, event->config1, name, sizeof(name));
	if (*kind == 'u')
		return text_of("u%sprobe/%s:0x%llx", prefix, name,
			       (unsigned long long)event->config2);
	if (!*name)
		return text_of("k%sprobe/0x%llx", prefix,
			       (unsigned long long)event->config2);
	if (!event->config2)
		return text_of("k%sprobe/%s", prefix, name);
	return text_of("k%sprobe/%s+0x%llx", prefix, name,
		       (unsigned long long)event->config2);
}

char *probe_place(pid_t thread, const struct perf_event_attr *event)
{
	if (event->type == probe_type("kprobe"))
		return probe(thread, "kprobe", event);
	if (event->type == probe_type("uprobe"))
		return probe(thread, "uprobe", event);
	return NULL;
}

char *perf_event_place(const struct perf_event_attr *event)
{
	const char *name = perf_event_name(event);

	if (event->type == PERF_TYPE_TRACEPOINT)
		return tracepoint((long long)event->config);
	return name ? text_of("perf_event/%s", name) : text_of("perf_event");
}

/* -------------------------------------------------------------------- BTF */

static const struct {
	enum bpf_attach_type type;
	/* What stands before the name of what has the id in BTF, and before what a
	 * section names.
	 */
	const char *before, *section;
} tracing[] = {
	{BPF_TRACE_RAW_TP, "btf_trace_", "tp_btf"},
	{BPF_TRACE_FENTRY, "", "fentry"},
	{BPF_TRACE_FEXIT, "", "fexit"},
	{BPF_MODIFY_RETURN, "", "fmod_ret"},
	{BPF_LSM_MAC, "bpf_lsm_", "lsm"},
	{BPF_LSM_CGROUP, "bpf_lsm_", "lsm_cgroup"},
	{BPF_TRACE_ITER, "bpf_iter_", "iter"},
};

char *kernel_btf_place(enum bpf_attach_type type, __u32 id)
{
	const struct btf_type *found;
	const struct btf *btf;
	const char *name;

	for (size_t i = 0; i < sizeof(tracing) / sizeof(*tracing); i++) {
		if (tracing[i].type != type)
			continue;
		btf = id ? btf__load_vmlinux_btf() : NULL;
		found = btf ? btf__type_by_id(btf, id) : NULL;
		name = found ? btf__name_by_offset(btf, found->name_off) : NULL;
		if (!name)
			return text_of("%s", tracing[i].section);
		if (!strncmp(name, tracing[i].before, strlen(tracing[i].before)))
			name += strlen(tracing[i].before);
		return text_of("%s/%s", tracing[i].section, name);
	}
	return NULL;
}

/* ------------------------------------------------------- other attachments */

static bool is_of_interface(__u32 type)
{
	return type == BPF_XDP || type == TCX_INGRESS || type == TCX_EGRESS ||
	       type == NETKIT_PRIMARY || type == NETKIT_PEER;
}

char *attach_type_place(pid_t thread, __u32 type, __u32 target)
{
	const char *name = libbpf_bpf_attach_type_str(type);
	char interface[IF_NAMESIZE], link[64], path[PATH_MAX];
	char *kind = name ? text_of("%s", name) : text_of("attach type %u", type);
	char *place = NULL;
	ssize_t size;

	if (is_of_interface(type)) {
		if (if_indextoname(target, interface))
			place = text_of("%s/%s", kind, interface);
	} else {
		snprintf(link, sizeof(link), "/proc/%d/fd/%u", thread, target);
		size = readlink(link, path, sizeof(path));
		if (size > 0 && path[0] == '/')
			place = text_of("%s%.*s", kind, (int)size, path);
	}
	if (!place)
		return kind;
	free(kind);
	return place;
}

char *functions_place(pid_t thread, __u64 names, __u32 count)
{
	__u32 shown = names ? count : 0;
	__u64 addresses[MOST_FUNCTIONS] = {0};
	char name[LONGEST], *place, *longer;

	if (shown > MOST_FUNCTIONS)
		shown = MOST_FUNCTIONS;
	tracee_read(thread, names, addresses, shown * sizeof(*addresses));
	place = text_of("kprobe.multi");
	for (__u32 i = 0; i < shown; i++) {
		tracee_text(thread, addresses[i], name, sizeof(name));
		longer = text_of("%s%c%s", place, i ? ',' : '/', name);
		free(place);
		place = longer;
	}
	if (count > shown) {
		longer = text_of(shown ? "%s and %u more" : "%s/%u functions", place,
				 count - shown);
		free(place);
		place = longer;
	}
	return place;
}
