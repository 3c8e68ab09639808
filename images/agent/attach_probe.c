/* SPDX-License-Identifier: Apache-2.0 */
#include "attach_probe.h"

#include "buffer.h"
#include "perf_events.h"

#include <bpf/libbpf_version.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Samples a second of each processor. */
#define SAMPLE_FREQUENCY 1000

/* What this libbpf has no call for; since 1.3 it has them all. */
static bool __attribute__((unused)) lacks_call(void)
{
	errno = EOPNOTSUPP;
	return false;
}

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
	(void)aim, (void)returns, (void)made;
	return lacks_call();
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
 * the path, to be freed.
 */
static char *path_of(const char *place, const char **symbol)
{
	const char *colon = strrchr(place, ':');

	if (!colon) {
		errno = EINVAL;
		return NULL;
	}
	*symbol = colon + 1;
	return strndup(place, (size_t)(colon - place));
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

static bool attach_to_symbols(const struct aim *aim, bool returns,
			      struct attachment *made)
{
/* The options came with the call, in libbpf 1.3. */
#ifdef bpf_uprobe_multi_opts__last_field
	LIBBPF_OPTS(bpf_uprobe_multi_opts, options, .retprobe = returns);
	const char *pattern;
	char *path = path_of(aim->place, &pattern);
	bool done;

	if (!path)
		return false;
	done = hold_link(made, bpf_program__attach_uprobe_multi(aim->program, -1, path,
								pattern, &options));
	free(path);
	return done;
#else
	(void)aim, (void)returns, (void)made;
	return lacks_call();
#endif
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
