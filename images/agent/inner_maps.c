/* SPDX-License-Identifier: Apache-2.0 */
#include "inner_maps.h"

#include "buffer.h"
#include "lookup.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <unistd.h>

/* Maps that others are to be like, and the objects that they were made for: libbpf
 * never closes what bpf_map__set_inner_map_fd() gives it.
 */
static struct inner_map {
	const struct bpf_object *bpf;
	int descriptor;
} * inner_maps;
static size_t inner_count;

void inner_maps_close(const struct bpf_object *bpf)
{
	size_t kept = 0;

	for (size_t i = 0; i < inner_count; i++)
		if (inner_maps[i].bpf == bpf)
			close(inner_maps[i].descriptor);
		else
			inner_maps[kept++] = inner_maps[i];
	inner_count = kept;
}

bool inner_maps_set(const struct bpf_object *bpf, struct bpf_map *map, const char *name,
		    struct failure *failure)
{
	const struct bpf_map *like = lookup_map(bpf, name, failure);
	LIBBPF_OPTS(bpf_map_create_opts, options);
	int descriptor, error;

	if (!like)
		return false;
	options.map_flags = bpf_map__map_flags(like);
	descriptor = bpf_map_create(bpf_map__type(like), name, bpf_map__key_size(like),
				    bpf_map__value_size(like),
				    bpf_map__max_entries(like), &options);
	if (descriptor < 0) {
		fail_errno(failure, errno, "no map like %s can be made", name);
		return false;
	}
	inner_maps = must_resize(inner_maps, inner_count + 1, sizeof(*inner_maps));
	inner_maps[inner_count++] =
		(struct inner_map){.bpf = bpf, .descriptor = descriptor};
	error = bpf_map__set_inner_map_fd(map, descriptor);
	if (!error)
		return true;
	fail_errno(failure, -error, "map %s can't have maps like %s",
		   bpf_map__name(map), name);
	return false;
}
