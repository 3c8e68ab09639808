/* SPDX-License-Identifier: Apache-2.0 */
#include "attach_network.h"

#include "buffer.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Attach types that are newer than the headers of Debian 12. */
#define NETFILTER 45	  /* 6.4 */
#define TCX_INGRESS 46	  /* 6.6 */
#define TCX_EGRESS 47	  /* 6.6 */
#define NETKIT_PRIMARY 54 /* 6.7 */
#define NETKIT_PEER 55	  /* 6.7 */
/* enum nf_inet_hooks and NFPROTO_*, whose header is linux/netfilter.h. */
#define NF_IPV4 2
#define NF_IPV6 10

struct choice {
	const char *word;
	__u32 value;
};

/* Cuts "INTERFACE/WORD" apart: the interface's index and the word's value. 0 with errno
 * for an interface that is not there, and for a word that is not among the choices.
 * Without a word the first choice counts if it has none.
 */
static int interface_of(const char *place, const struct choice *choices, __u32 *value)
{
	const char *slash = strrchr(place, '/'), *word = slash ? slash + 1 : "";
	size_t length = slash ? (size_t)(slash - place) : strlen(place);
	char name[IF_NAMESIZE];

	while (choices->word && strcmp(choices->word, word))
		choices++;
	if (!choices->word || length >= sizeof(name)) {
		errno = EINVAL;
		return 0;
	}
	*value = choices->value;
	memcpy(name, place, length);
	name[length] = '\0';
	return (int)if_nametoindex(name);
}

/* --------------------------------------------------------------------- tc */

/* Interfaces whose clsact this agent made, which goes with its last filter. */
static struct made {
	int interface;
	unsigned int filters;
} * made_hooks;
static size_t made_count;

static struct made *hook_of(int interface)
{
	for (size_t i = 0; i < made_count; i++)
		if (made_hooks[i].interface == interface)
			return &made_hooks[i];
	return NULL;
}

static void forget_filter(int interface)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = interface,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	struct made *made = hook_of(interface);

	if (!made || --made->filters)
		return;
	bpf_tc_hook_destroy(&hook);
	*made = made_hooks[--made_count];
}

static int end_filter(const struct attachment *attachment)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = attachment->by.filter.interface,
		    .attach_point = attachment->by.filter.point);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = attachment->by.filter.handle,
		    .priority = attachment->by.filter.priority);
	int error = bpf_tc_detach(&hook, &options);

	forget_filter(hook.ifindex);
	return -error;
}

/* Makes clsact (4.5), unless it is there. */
static bool make_hook(const struct bpf_tc_hook *wanted)
{
	struct bpf_tc_hook hook = *wanted;
	int error = bpf_tc_hook_create(&hook);
	struct made *made;

	if (error && error != -EEXIST) {
		errno = -error;
		return false;
	}
	if (!error) {
		made_hooks =
			must_resize(made_hooks, made_count + 1, sizeof(*made_hooks));
		made_hooks[made_count++] = (struct made){.interface = hook.ifindex};
	}
	made = hook_of(hook.ifindex);
	if (made)
		made->filters++;
	return true;
}

bool attach_tc(const struct aim *aim, struct attachment *made)
{
	static const struct choice points[] = {
		{"ingress", BPF_TC_INGRESS}, {"egress", BPF_TC_EGRESS}, {0}};
	__u32 point = 0;
	int interface = interface_of(aim->place, points, &point), error;
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = interface, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = bpf_program__fd(aim->program));

	if (!interface || !make_hook(&hook))
		return false;
	error = bpf_tc_attach(&hook, &options);
	if (error) {
		forget_filter(interface);
		errno = -error;
		return false;
	}
	*made = (struct attachment){.end = end_filter};
	made->by.filter.interface = interface;
	made->by.filter.point = point;
	made->by.filter.handle = options.handle;
	made->by.filter.priority = options.priority;
	return true;
}

/* ------------------------------------------------------ links of interfaces */

static bool attach_by_link(const struct aim *aim, const struct choice *types,
			   struct attachment *made)
{
	__u32 type = 0;
	int interface = interface_of(aim->place, types, &type);

	return interface &&
	       hold_new_link(made, aim->program, (__u32)interface, type, 0, NULL, 0);
}

bool attach_tcx(const struct aim *aim, struct attachment *made)
{
	static const struct choice types[] = {
		{"ingress", TCX_INGRESS}, {"egress", TCX_EGRESS}, {0}};

	return attach_by_link(aim, types, made);
}

bool attach_netkit(const struct aim *aim, struct attachment *made)
{
	static const struct choice types[] = {
		{"primary", NETKIT_PRIMARY}, {"peer", NETKIT_PEER}, {0}};

	return attach_by_link(aim, types, made);
}

/* -------------------------------------------------------------------- xdp */

static int end_xdp(const struct attachment *attachment)
{
	return -bpf_xdp_detach(attachment->by.xdp.interface, attachment->by.xdp.flags,
			       NULL);
}

bool attach_xdp(const struct aim *aim, struct attachment *made)
{
	static const struct choice modes[] = {{"", 0},
					      {"generic", XDP_FLAGS_SKB_MODE},
					      {"native", XDP_FLAGS_DRV_MODE},
					      {0}};
	__u32 mode = 0;
	int interface = interface_of(aim->place, modes, &mode), error;

	if (!interface)
		return false;
	if (hold_new_link(made, aim->program, (__u32)interface, BPF_XDP, mode, NULL, 0))
		return true;
	/* Links of XDP are of 5.9. */
	if (errno != EINVAL)
		return false;
	error = bpf_xdp_attach(interface, bpf_program__fd(aim->program),
			       mode | XDP_FLAGS_UPDATE_IF_NOEXIST, NULL);
	if (error) {
		errno = -error;
		return false;
	}
	*made = (struct attachment){.end = end_xdp};
	made->by.xdp.interface = interface;
	made->by.xdp.flags = mode;
	return true;
}

/* -------------------------------------------------------------- netfilter */

/* Of bpf_attr's link_create, 6.4. */
struct netfilter {
	__u32 family, hook;
	__s32 priority;
	__u32 flags;
};

static bool find(const struct choice *choices, const char *word, __u32 *value)
{
	for (; choices->word; choices++) {
		if (strcmp(choices->word, word))
			continue;
		*value = choices->value;
		return true;
	}
	return false;
}

/* "ipv4/prerouting", and a priority behind it: "ipv4/output/-100". The kernel refuses
 * the first and the last one.
 */
bool attach_netfilter(const struct aim *aim, struct attachment *made)
{
	static const struct choice families[] = {
		{"ipv4", NF_IPV4}, {"ipv6", NF_IPV6}, {0}};
	static const struct choice hooks[] = {{"prerouting", 0},  {"input", 1},
					      {"forward", 2},	  {"output", 3},
					      {"postrouting", 4}, {0}};
	struct netfilter wanted = {0};
	char *words = strdup(aim->place), *rest = words, *end = "";
	const char *family = strsep(&rest, "/");
	const char *hook = rest ? strsep(&rest, "/") : "";
	bool known = find(families, family, &wanted.family) &&
		     find(hooks, hook, &wanted.hook);

	if (rest)
		wanted.priority = (__s32)strtol(rest, &end, 10);
	known = known && !*end && (!rest || *rest);
	free(words);
	if (!known) {
		errno = EINVAL;
		return false;
	}
	return hold_new_link(made, aim->program, 0, NETFILTER, 0, &wanted,
			     sizeof(wanted));
}

/* ------------------------------------------------------ namespace, sockets */

bool attach_netns(const struct aim *aim, struct attachment *made)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int namespace = openat(root, *aim->place ? aim->place : "proc/self/ns/net",
			       O_RDONLY | O_CLOEXEC);
	enum bpf_attach_type type = bpf_program__expected_attach_type(aim->program);
	bool done;
	int error = errno;

	close(root);
	errno = error;
	if (namespace < 0)
		return false;
	/* libbpf's sections say it from 0.6 on, and leave it away where old kernels
	 * know no such thing.
	 */
	if (bpf_program__type(aim->program) == BPF_PROG_TYPE_FLOW_DISSECTOR)
		type = BPF_FLOW_DISSECTOR;
	done = hold_new_link(made, aim->program, (__u32) namespace, type, 0, NULL, 0);
	/* Such links are of 5.8. Before, a flow dissector is of the own namespace. */
	if (!done && errno == EINVAL && type == BPF_FLOW_DISSECTOR)
		done = hold_attached(made, aim->program, 0, type, 0);
	error = errno;
	close(namespace);
	errno = error;
	return done;
}

bool attach_sockmap(const struct aim *aim, struct attachment *made)
{
	static const struct choice types[] = {
		{"stream_parser", BPF_SK_SKB_STREAM_PARSER},
		{"stream_verdict", BPF_SK_SKB_STREAM_VERDICT},
		{"verdict", BPF_SK_SKB_VERDICT},
		{0},
	};
	__u32 type = bpf_program__expected_attach_type(aim->program);
	char *words = strdup(aim->place), *how = words;
	const char *name = strsep(&how, "/");
	const struct bpf_map *map = bpf_object__find_map_by_name(aim->object, name);
	bool known = map != NULL;

	if (bpf_program__type(aim->program) == BPF_PROG_TYPE_SK_MSG)
		type = BPF_SK_MSG_VERDICT;
	else if (!type)
		/* SEC("sk_skb") says none. */
		type = BPF_SK_SKB_VERDICT;
	if (how)
		known &= find(types, how, &type);
	free(words);
	if (!known) {
		errno = map ? EINVAL : ENOENT;
		return false;
	}
	return hold_attached(made, aim->program, bpf_map__fd(map),
			     (enum bpf_attach_type)type, 0);
}
