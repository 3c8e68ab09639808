/* SPDX-License-Identifier: Apache-2.0 */
#include "attach_probe.h"

#include "buffer.h"
#include "perf_events.h"
#include "symbols.h"

#include <bpf/libbpf_version.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Newer than the headers of Debian 12: 6.6. */
#define UPROBE_MULTI 48
#define UPROBE_MULTI_RETURN 1
/* Samples a second of each processor. */
#define SAMPLE_FREQUENCY 1000

/* -------------------------------------------------------------- the kernel */

bool attach_kprobe(const struct aim *aim, struct attachment *made)
{
	return hold_link(made,
			 bpf_program__attach_kprobe(aim->program, false, aim->place));
}

bool attach_kretprobe(const struct aim *aim, struct attachment *made)
{
	return hold_link(made,
			 bpf_program__attach_kprobe(aim->program, true, aim->place));
}

static bool attach_to_functions(const struct aim *aim, bool returns,
				struct attachment *made)
{
	LIBBPF_OPTS(bpf_kprobe_multi_opts, options, .retprobe = returns);

	return hold_link(made, bpf_program__attach_kprobe_multi_opts(
				       aim->program, aim->place, &options));
}

bool attach_kprobe_multi(const struct aim *aim, struct attachment *made)
{
	return attach_to_functions(aim, false, made);
}

bool attach_kretprobe_multi(const struct aim *aim, struct attachment *made)
{
	return attach_to_functions(aim, true, made);
}

static bool attach_to_call(const struct aim *aim, bool returns, struct attachment *made)
{
#if LIBBPF_MAJOR_VERSION >= 1
	LIBBPF_OPTS(bpf_ksyscall_opts, options, .retprobe = returns);

	return hold_link(
		made, bpf_program__attach_ksyscall(aim->program, aim->place, &options));
#else
	/* This libbpf has no call for it. */
	(void)aim, (void)returns, (void)made;
	errno = EOPNOTSUPP;
	return false;
#endif
}

bool attach_ksyscall(const struct aim *aim, struct attachment *made)
{
	return attach_to_call(aim, false, made);
}

bool attach_kretsyscall(const struct aim *aim, struct attachment *made)
{
	return attach_to_call(aim, true, made);
}

bool attach_tracepoint(const struct aim *aim, struct attachment *made)
{
	const char *name = strchr(aim->place, '/');
	char *category;
	bool done;

	if (!name) {
		errno = EINVAL;
		return false;
	}
	category = strndup(aim->place, (size_t)(name - aim->place));
	done = hold_link(
		made, bpf_program__attach_tracepoint(aim->program, category, name + 1));
	free(category);
	return done;
}

bool attach_raw_tracepoint(const struct aim *aim, struct attachment *made)
{
	return hold_link(made,
			 bpf_program__attach_raw_tracepoint(aim->program, aim->place));
}

/* ---------------------------------------------------------------- counters */

/* Clocks sample a processor; other counters call the program each time. */
static int open_counter(const char *name, int processor)
{
	struct perf_event_attr attributes = {.size = sizeof(attributes)};

	if (!perf_event_named(name, &attributes)) {
		errno = ENOENT;
		return -1;
	}
	if (strstr(name, "clock")) {
		attributes.sample_freq = SAMPLE_FREQUENCY;
		attributes.freq = 1;
	} else {
		attributes.sample_period = 1;
	}
	return (int)syscall(SYS_perf_event_open, &attributes, -1, processor, -1,
			    PERF_FLAG_FD_CLOEXEC);
}

/* NULL with errno: ENODEV for a processor that is offline. */
static struct bpf_link *count_on(const struct aim *aim, int processor)
{
	int counter = open_counter(aim->place, processor), error;
	struct bpf_link *link;

	if (counter < 0)
		return NULL;
	/* Destroying the link closes the descriptor, too. */
	link = bpf_program__attach_perf_event(aim->program, counter);
	if (!link) {
		error = errno;
		close(counter);
		errno = error;
	}
	return link;
}

bool attach_perf_event(const struct aim *aim, struct attachment *made)
{
	int possible = libbpf_num_possible_cpus(), error;
	struct bpf_link **links;

	if (possible < 0) {
		errno = -possible;
		return false;
	}
	links = calloc((size_t)possible, sizeof(*links));
	if (!links)
		out_of_memory();
	hold_links(made, links, 0);
	for (int processor = 0; processor < possible; processor++) {
		struct bpf_link *link = count_on(aim, processor);

		if (link) {
			links[made->by.several.count++] = link;
		} else if (errno != ENODEV) {
			error = errno;
			made->end(made);
			errno = error;
			return false;
		}
	}
	return true;
}

/* ---------------------------------------------------------------- programs */

/* Cuts "PATH:SYMBOL", of a file in the guest, at its last colon. NULL with errno, or
 * the path, to be freed. It may lack its first slash, as those of control groups; what
 * has none at all is the name of a library or program.
 */
static char *path_of(const char *place, const char **symbol)
{
	const char *colon = strrchr(place, ':');
	char *path, *whole;

	if (!colon) {
		errno = EINVAL;
		return NULL;
	}
	*symbol = colon + 1;
	path = strndup(place, (size_t)(colon - place));
	if (*path == '/' || !strchr(path, '/'))
		return path;
	if (asprintf(&whole, "/%s", path) < 0)
		out_of_memory();
	free(path);
	return whole;
}

static bool attach_to_symbol(const struct aim *aim, bool returns,
			     struct attachment *made)
{
	LIBBPF_OPTS(bpf_uprobe_opts, options, .retprobe = returns);
	char *path = path_of(aim->place, &options.func_name);
	bool done;

	if (!path)
		return false;
	done = hold_link(made, bpf_program__attach_uprobe_opts(aim->program, -1, path,
							       0, &options));
	free(path);
	return done;
}

bool attach_uprobe(const struct aim *aim, struct attachment *made)
{
	return attach_to_symbol(aim, false, made);
}

bool attach_uretprobe(const struct aim *aim, struct attachment *made)
{
	return attach_to_symbol(aim, true, made);
}

/* Of bpf_attr's link_create, 6.6 (89ae89f53d20). */
struct uprobes {
	__u64 path, offsets, counters, cookies;
	__u32 count, flags, pid;
};
_Static_assert(sizeof(struct uprobes) <= MOST_OF_LINK, "a link must have room for it");

/* libbpf has a call for it from 1.3 on, for which only sections can be loaded that it
 * knows.
 */
static bool attach_to_symbols(const struct aim *aim, bool returns,
			      struct attachment *made)
{
	struct uprobes wanted = {.flags = returns ? UPROBE_MULTI_RETURN : 0};
	const char *pattern;
	char *name = path_of(aim->place, &pattern);
	char *path = name ? symbols_file(name) : NULL;
	__u64 *offsets = path ? symbols_offsets(path, pattern, &wanted.count) : NULL;
	bool done = false;
	int error;

	if (offsets) {
		wanted.path = (__u64)(uintptr_t)path;
		wanted.offsets = (__u64)(uintptr_t)offsets;
		done = hold_new_link(made, aim->program, 0, UPROBE_MULTI, 0, &wanted,
				     sizeof(wanted));
	}
	error = errno;
	free(offsets);
	free(path);
	free(name);
	errno = error;
	return done;
}

bool attach_uprobe_multi(const struct aim *aim, struct attachment *made)
{
	return attach_to_symbols(aim, false, made);
}

bool attach_uretprobe_multi(const struct aim *aim, struct attachment *made)
{
	return attach_to_symbols(aim, true, made);
}

/* "PATH:PROVIDER:NAME" */
bool attach_usdt(const struct aim *aim, struct attachment *made)
{
	const char *name, *provider;
	char *head = path_of(aim->place, &name);
	char *path = head ? path_of(head, &provider) : NULL;
	bool done = false;

	if (path)
		done = hold_link(made, bpf_program__attach_usdt(aim->program, -1, path,
								provider, name, NULL));
	free(path);
	free(head);
	return done;
}

/* --------------------------------------------------------------- iterators */

bool attach_iterator(const struct aim *aim, struct attachment *made)
{
	const char *name = strrchr(aim->place, '/');
	const struct bpf_map *map =
		name ? bpf_object__find_map_by_name(aim->object, name + 1) : NULL;
	union bpf_iter_link_info info = {0};
	LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &info,
		    .link_info_len = sizeof(info));

	if (!map) {
		errno = ENOENT;
		return false;
	}
	info.map.map_fd = (__u32)bpf_map__fd(map);
	return hold_link(made, bpf_program__attach_iter(aim->program, &options));
}
