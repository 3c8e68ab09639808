/* SPDX-License-Identifier: Apache-2.0 */
/* What the maps in a map of maps are like, as a loader says by
 * bpf_map__set_inner_map_fd(): the kernel takes it from a map that is there.
 */
#ifndef INNER_MAPS_H
#define INNER_MAPS_H

#include "failure.h"

#include <bpf/libbpf.h>

/* Makes a map like the one that is called `name`, for `map` to hold such. */
bool inner_maps_set(const struct bpf_object *bpf, struct bpf_map *map, const char *name,
		    struct failure *failure);
/* Closes what was made for an object, which libbpf never does. */
void inner_maps_close(const struct bpf_object *bpf);

#endif
