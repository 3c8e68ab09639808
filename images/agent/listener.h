/* SPDX-License-Identifier: Apache-2.0 */
/* Readers of maps that hand a stream to user space: ring buffers and perf events. */
#ifndef LISTENER_H
#define LISTENER_H

#include "failure.h"

#include <bpf/libbpf.h>
#include <stdbool.h>

struct listener;
struct held_map;

/* The listener of a list that reads a map; NULL when there is none. */
struct listener *listener_find(struct listener *list, const struct held_map *map);
/* Adds one to a list; false with a failure. */
bool listener_add(struct listener **list, const struct held_map *map,
		  struct failure *failure);
/* {"records", "lost"} since the last call, in order, of the map of a name. */
json_t *listener_drain(struct listener *listener, const char *name,
		       struct failure *failure);
/* Ends all of a list, before their maps are closed. */
void listener_end_all(struct listener **list);

#endif
