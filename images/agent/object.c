/* SPDX-License-Identifier: Apache-2.0 */
#include "object.h"

#include "arguments.h"
#include "lookup.h"

#include <limits.h>
#include <stdlib.h>

static struct object *objects;

struct object *object_argument_of(const json_t *request, struct failure *failure)
{
	json_int_t handle;

	if (!integer_argument(request, "handle", REQUIRED, 1, INT_MAX, &handle,
			      failure))
		return NULL;
	for (struct object *object = objects; object; object = object->next)
		if (object->handle == handle)
			return object;
	fail(failure,
	     "argument \"handle\" must be that of an open object, "
	     "not %" JSON_INTEGER_FORMAT,
	     handle);
	return NULL;
}

struct bpf_program *program_argument(const struct object *object, const json_t *request,
				     struct failure *failure)
{
	const char *name;

	if (!text_argument(request, "program", REQUIRED, &name, failure))
		return NULL;
	return lookup_program(object->bpf, name, failure);
}

struct bpf_map *map_argument(const struct object *object, const json_t *request,
			     struct failure *failure)
{
	const char *name;

	if (!text_argument(request, "map", REQUIRED, &name, failure))
		return NULL;
	return lookup_map(object->bpf, name, failure);
}

struct object *object_hold(struct bpf_object *bpf, struct compat *compat)
{
	static int last_handle;
	struct object *object = must_resize(NULL, 1, sizeof(*object));

	*object = (struct object){
		.handle = ++last_handle, .bpf = bpf, .compat = compat, .next = objects};
	objects = object;
	return object;
}

const struct bpf_link *object_link(const struct object *object,
				   const struct bpf_program *program)
{
	for (size_t i = 0; i < object->attached_count; i++)
		if (object->attached[i].program == program)
			return object->attached[i].link;
	return NULL;
}

int object_detach(struct object *object, const struct bpf_program *program)
{
	size_t kept = 0;
	int first_error = 0;

	for (size_t i = 0; i < object->attached_count; i++) {
		struct attached attached = object->attached[i];
		int error;

		if (program && attached.program != program) {
			object->attached[kept++] = attached;
			continue;
		}
		error = bpf_link__destroy(attached.link);
		if (error && !first_error)
			first_error = -error;
	}
	object->attached_count = kept;
	return first_error;
}

static int end_object(struct object *object)
{
	int error = object_detach(object, NULL);

	listener_end_all(&object->listeners);
	bpf_object__close(object->bpf);
	compat_close(object->compat);
	free(object->attached);
	free(object);
	return error;
}

json_t *close_operation(const json_t *request, struct failure *failure)
{
	struct object *object = object_argument_of(request, failure);
	struct object **place = &objects;
	int error;

	if (!object)
		return NULL;
	while (*place != object)
		place = &(*place)->next;
	*place = object->next;
	error = end_object(object);
	if (error)
		return fail_errno(failure, error,
				  "detaching failed; the object is closed");
	return json_object();
}

void objects_end(void)
{
	while (objects) {
		struct object *next = objects->next;

		end_object(objects);
		objects = next;
	}
}
