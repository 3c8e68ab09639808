/* SPDX-License-Identifier: Apache-2.0 */
#include "target.h"

#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Samples a second of the processor that the agent is on. */
#define SAMPLE_FREQUENCY 1000

static struct bpf_link *attach_kprobe(const struct bpf_program *program,
				      const char *function)
{
	return bpf_program__attach_kprobe(program, false, function);
}

static struct bpf_link *attach_kretprobe(const struct bpf_program *program,
					 const char *function)
{
	return bpf_program__attach_kprobe(program, true, function);
}

static struct bpf_link *attach_tracepoint(const struct bpf_program *program,
					  const char *place)
{
	const char *name = strchr(place, '/');
	struct bpf_link *link;
	char *category;

	if (!name) {
		errno = EINVAL;
		return NULL;
	}
	category = strndup(place, (size_t)(name - place));
	link = bpf_program__attach_tracepoint(program, category, name + 1);
	free(category);
	return link;
}

/* The clock of the CPU, in software, for machines that have no counters of their own.
 */
static struct bpf_link *attach_perf_event(const struct bpf_program *program,
					  const char *event)
{
	struct perf_event_attr attributes = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attributes),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_freq = SAMPLE_FREQUENCY,
		.freq = 1,
	};
	struct bpf_link *link;
	int descriptor;

	if (strcmp(event, "cpu-clock")) {
		errno = ENOENT;
		return NULL;
	}
	descriptor = (int)syscall(SYS_perf_event_open, &attributes, -1, 0, -1,
				  PERF_FLAG_FD_CLOEXEC);
	if (descriptor < 0)
		return NULL;
	/* Destroying the link closes the descriptor, too. */
	link = bpf_program__attach_perf_event(program, descriptor);
	if (!link) {
		int error = errno;

		close(descriptor);
		errno = error;
	}
	return link;
}

/* "PATH:SYMBOL", of a file in the guest. */
static struct bpf_link *attach_to_symbol(const struct bpf_program *program,
					 const char *place, bool returns)
{
	const char *symbol = strrchr(place, ':');
	LIBBPF_OPTS(bpf_uprobe_opts, options, .retprobe = returns);
	struct bpf_link *link;
	char *path;

	if (!symbol) {
		errno = EINVAL;
		return NULL;
	}
	path = strndup(place, (size_t)(symbol - place));
	options.func_name = symbol + 1;
	link = bpf_program__attach_uprobe_opts(program, -1, path, 0, &options);
	free(path);
	return link;
}

static struct bpf_link *attach_uprobe(const struct bpf_program *program,
				      const char *place)
{
	return attach_to_symbol(program, place, false);
}

static struct bpf_link *attach_uretprobe(const struct bpf_program *program,
					 const char *place)
{
	return attach_to_symbol(program, place, true);
}

static struct bpf_link *attach_xdp(const struct bpf_program *program,
				   const char *interface)
{
	unsigned int index = if_nametoindex(interface);

	return index ? bpf_program__attach_xdp(program, (int)index) : NULL;
}

/* By the group's folder: of "cgroup/sys/fs/cgroup" the path begins with the slash. */
static struct bpf_link *attach_cgroup(const struct bpf_program *program,
				      const char *path)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), folder, error;
	struct bpf_link *link;

	folder = openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	error = errno;
	close(root);
	errno = error;

	if (folder < 0)
		return NULL;
	link = bpf_program__attach_cgroup(program, folder);
	error = errno;
	close(folder);
	errno = error;
	return link;
}

static const struct kind {
	const char *prefix;
	struct bpf_link *(*attach)(const struct bpf_program *program,
				   const char *place);
} kinds[] = {
	{"kprobe/", attach_kprobe},
	{"kretprobe/", attach_kretprobe},
	{"tracepoint/", attach_tracepoint},
	{"tp/", attach_tracepoint},
	{"raw_tracepoint/", bpf_program__attach_raw_tracepoint},
	{"raw_tp/", bpf_program__attach_raw_tracepoint},
	{"perf_event/", attach_perf_event},
	{"uprobe/", attach_uprobe},
	{"uretprobe/", attach_uretprobe},
	{"xdp/", attach_xdp},
	{"cgroup/", attach_cgroup},
};

struct bpf_link *attach_to(const struct bpf_program *program, const char *target,
			   struct failure *failure)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		size_t length = strlen(kinds[i].prefix);
		struct bpf_link *link;

		if (strncmp(target, kinds[i].prefix, length))
			continue;
		link = kinds[i].attach(program, target + length);
		if (!link)
			fail_errno(failure, errno, "can't attach %s to %s",
				   bpf_program__name(program), target);
		return link;
	}
	fail(failure,
	     "argument \"target\" must begin with kprobe/, kretprobe/, tracepoint/, "
	     "raw_tp/, perf_event/, uprobe/, uretprobe/, xdp/ or cgroup/; it is \"%s\"",
	     target);
	return NULL;
}
