/* SPDX-License-Identifier: Apache-2.0 */
#include "drain.h"

#include "held.h"

json_t *listen_operation(const json_t *request, struct failure *failure)
{
	struct object *object = object_argument_of(request, failure);
	struct held_map map;

	if (!object || !held_map_argument(object, request, &map, failure))
		return NULL;
	if (map.descriptor < 0)
		return fail(failure, "map %s is not loaded", map.name);
	if (!listener_find(object->listeners, &map) &&
	    !listener_add(&object->listeners, &map, failure))
		return NULL;
	return json_object();
}

json_t *drain_operation(const json_t *request, struct failure *failure)
{
	struct object *object = object_argument_of(request, failure);
	struct listener *listener;
	struct held_map map;

	if (!object || !held_map_argument(object, request, &map, failure))
		return NULL;
	listener = listener_find(object->listeners, &map);
	if (!listener)
		return fail(failure, "map %s has no listener", map.name);
	return listener_drain(listener, map.name, failure);
}
