/* SPDX-License-Identifier: Apache-2.0 */
#include "object.h"

#include "adopted.h"
#include "arguments.h"
#include "inner_maps.h"
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

	if (!require_own(object, failure) ||
	    !text_argument(request, "program", REQUIRED, &name, failure))
		return NULL;
	return lookup_program(object->bpf, name, failure);
}

int loaded_program_argument(const json_t *request, const char **name,
			    struct failure *failure)
{
	const struct object *object = object_argument_of(request, failure);
	const struct bpf_program *program;
	int descriptor;

	if (!object || !require_own(object, failure))
		return -1;
	program = program_argument(object, request, failure);
	if (!program)
		return -1;
	*name = bpf_program__name(program);
	descriptor = bpf_program__fd(program);
	if (descriptor < 0)
		fail(failure, "program %s is not loaded", *name);
	return descriptor < 0 ? -1 : descriptor;
}

bool require_own(const struct object *object, struct failure *failure)
{
	if (object->bpf)
		return true;
	fail(failure, "another loader loaded the object, and must be asked");
	return false;
}

static struct object *hold(struct object with)
{
	static int last_handle;
	struct object *object = must_resize(NULL, 1, sizeof(*object));

	*object = with;
	object->handle = ++last_handle;
	object->next = objects;
	objects = object;
	return object;
}

struct object *object_hold(struct bpf_object *bpf, struct compat *compat)
{
	return hold((struct object){.bpf = bpf, .compat = compat});
}

struct object *object_hold_adopted(struct adopted *adopted)
{
	return hold((struct object){.adopted = adopted});
}

void object_attached(struct object *object, struct attached attached)
{
	object->attached = must_resize(object->attached, object->attached_count + 1,
				       sizeof(*object->attached));
	object->attached[object->attached_count++] = attached;
}

const struct attachment *object_attachment(const struct object *object,
					   const struct bpf_program *program)
{
	for (size_t i = 0; i < object->attached_count; i++)
		if (object->attached[i].program == program)
			return &object->attached[i].attachment;
	return NULL;
}

bool object_is_registered(const struct object *object, const struct bpf_map *map)
{
	for (size_t i = 0; i < object->attached_count; i++)
		if (object->attached[i].map == map)
			return true;
	return false;
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
		error = attached.attachment.end(&attached.attachment);
		if (error && !first_error)
			first_error = error;
	}
	object->attached_count = kept;
	return first_error;
}

static int end_object(struct object *object)
{
	int error = object_detach(object, NULL);

	listener_end_all(&object->listeners);
	inner_maps_close(object->bpf);
	bpf_object__close(object->bpf);
	compat_close(object->compat);
	adopted_close(object->adopted);
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
