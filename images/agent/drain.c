/* SPDX-License-Identifier: Apache-2.0 */
#include "drain.h"

#include "object.h"

json_t *listen_operation(const json_t *request, struct failure *failure)
{
	struct object *object = object_argument_of(request, failure);
	struct bpf_map *map = object ? map_argument(object, request, failure) : NULL;

	if (!map)
		return NULL;
	if (bpf_map__fd(map) < 0)
		return fail(failure, "map %s is not loaded", bpf_map__name(map));
	if (!listener_find(object->listeners, map) &&
	    !listener_add(&object->listeners, map, failure))
		return NULL;
	return json_object();
}

json_t *drain_operation(const json_t *request, struct failure *failure)
{
	struct object *object = object_argument_of(request, failure);
	struct bpf_map *map = object ? map_argument(object, request, failure) : NULL;
	struct listener *listener;

	if (!map)
		return NULL;
	listener = listener_find(object->listeners, map);
	if (!listener)
		return fail(failure, "map %s has no listener", bpf_map__name(map));
	return listener_drain(listener, failure);
}
