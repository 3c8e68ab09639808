/* SPDX-License-Identifier: Apache-2.0 */
#include "target.h"

#include "attach_network.h"
#include "attach_probe.h"
#include "suggest.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* By the group's folder: of "cgroup/sys/fs/cgroup" the path begins with the slash. */
static bool attach_cgroup(const struct aim *aim, struct attachment *made)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), folder, error;
	bool done;

	folder = openat(root, aim->place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	error = errno;
	close(root);
	errno = error;

	if (folder < 0)
		return false;
	/* Not by one after the other: what libbpf says of the first try is no reason
	 * for the second one's failure.
	 */
	if (has_links())
		done = hold_link(made,
				 bpf_program__attach_cgroup(aim->program, folder));
	else
		done = hold_attached(made, aim->program, folder,
				     bpf_program__expected_attach_type(aim->program),
				     BPF_F_ALLOW_MULTI);
	error = errno;
	close(folder);
	errno = error;
	return done;
}

static const struct kind {
	const char *name;
	bool (*attach)(const struct aim *aim, struct attachment *made);
} kinds[] = {
	{"kprobe", attach_kprobe},
	{"kretprobe", attach_kretprobe},
	{"kprobe.multi", attach_kprobe_multi},
	{"kretprobe.multi", attach_kretprobe_multi},
	{"ksyscall", attach_ksyscall},
	{"kretsyscall", attach_kretsyscall},
	{"tracepoint", attach_tracepoint},
	{"tp", attach_tracepoint},
	{"raw_tracepoint", attach_raw_tracepoint},
	{"raw_tp", attach_raw_tracepoint},
	{"perf_event", attach_perf_event},
	{"uprobe", attach_uprobe},
	{"uretprobe", attach_uretprobe},
	{"uprobe.multi", attach_uprobe_multi},
	{"uretprobe.multi", attach_uretprobe_multi},
	{"usdt", attach_usdt},
	{"iter", attach_iterator},
	{"xdp", attach_xdp},
	{"tc", attach_tc},
	{"tcx", attach_tcx},
	{"netkit", attach_netkit},
	{"netfilter", attach_netfilter},
	{"netns", attach_netns},
	/* Names of what a network namespace holds. */
	{"sk_lookup", attach_netns},
	{"flow_dissector", attach_netns},
	{"sockmap", attach_sockmap},
	{"cgroup", attach_cgroup},
};
#define KIND_COUNT (sizeof(kinds) / sizeof(*kinds))

static const struct kind *find_kind(const char *target, struct failure *failure)
{
	size_t length = strcspn(target, "/");
	char *name = strndup(target, length), *near;
	const char *names[KIND_COUNT];
	const struct kind *found = NULL;

	for (size_t i = 0; i < KIND_COUNT; i++) {
		names[i] = kinds[i].name;
		if (!strcmp(names[i], name))
			found = &kinds[i];
	}
	if (!found) {
		near = suggest_names(name, names, KIND_COUNT);
		fail(failure,
		     "argument \"target\" must begin with a kind of place, not \"%s\": "
		     "%s",
		     name, near);
		free(near);
	}
	free(name);
	return found;
}

bool attach_to(const struct bpf_object *object, const struct bpf_program *program,
	       const char *target, struct attachment *made, struct failure *failure)
{
	const char *slash = strchr(target, '/');
	struct aim aim = {program, slash ? slash + 1 : "", object};
	const struct kind *kind = find_kind(target, failure);

	if (!kind)
		return false;
	if (kind->attach(&aim, made))
		return true;
	fail_errno(failure, errno, "can't attach %s to %s", bpf_program__name(program),
		   target);
	return false;
}
