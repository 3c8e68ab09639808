/* SPDX-License-Identifier: Apache-2.0 */
#include "attach.h"

#include "arguments.h"
#include "log.h"
#include "lookup.h"
#include "object.h"
#include "target.h"

#include <errno.h>

static json_t *attached_json(struct object *object, const struct bpf_program *program,
			     struct attachment made)
{
	object_attached(object,
			(struct attached){.program = program, .attachment = made});
	return json_pack("{s:b}", "attached", 1);
}

/* As the program's section says. */
static json_t *attach_by_section(struct object *object,
				 const struct bpf_program *program,
				 struct failure *failure)
{
	size_t silence = log_size();
	struct attachment made;

	if (hold_link(&made, bpf_program__attach(program)))
		return attached_json(object, program, made);
	/* libbpf says nothing where a section has no way to be attached, and warns
	 * where the kernel refused one.
	 */
	if (errno == EOPNOTSUPP && log_size() == silence)
		return json_pack("{s:b}", "attached", 0);
	/* So it does where a section names a place in a way of its own. */
	if (errno == EINVAL && log_size() == silence) {
		log_add("agent: prog '%s': section '%s' names no place",
			bpf_program__name(program), bpf_program__section_name(program));
		errno = EINVAL;
	}
	return fail_errno(failure, errno, "can't attach %s",
			  bpf_program__name(program));
}

json_t *attach_operation(const json_t *request, struct failure *failure)
{
	struct object *object = object_argument_of(request, failure);
	struct bpf_program *program =
		object ? program_argument(object, request, failure) : NULL;
	const char *target = NULL;
	struct attachment made;

	if (!program || !text_argument(request, "target", OPTIONAL, &target, failure))
		return NULL;
	if (object_attachment(object, program))
		return fail_errno(failure, EALREADY, "can't attach %s",
				  bpf_program__name(program));
	if (!target)
		return attach_by_section(object, program, failure);
	if (!attach_to(object->bpf, program, target, &made, failure))
		return NULL;
	return attached_json(object, program, made);
}

/* Registers what a struct_ops map holds with the kernel. */
json_t *register_operation(const json_t *request, struct failure *failure)
{
	struct object *object = object_argument_of(request, failure);
	struct attachment made;
	struct bpf_map *map;
	const char *name;

	if (!object || !require_own(object, failure) ||
	    !text_argument(request, "map", REQUIRED, &name, failure))
		return NULL;
	map = lookup_map(object->bpf, name, failure);
	if (!map)
		return NULL;
	if (object_is_registered(object, map))
		return fail_errno(failure, EALREADY, "can't register %s", name);
	if (!hold_link(&made, bpf_map__attach_struct_ops(map)))
		return fail_errno(failure, errno, "can't register %s", name);
	object_attached(object, (struct attached){.map = map, .attachment = made});
	return json_object();
}

json_t *detach_operation(const json_t *request, struct failure *failure)
{
	struct object *object = object_argument_of(request, failure);
	struct bpf_program *program = NULL;
	const char *name = NULL;
	int error;

	if (!object || !text_argument(request, "program", OPTIONAL, &name, failure))
		return NULL;
	if (name) {
		program = program_argument(object, request, failure);
		if (!program)
			return NULL;
	}
	error = object_detach(object, program);
	if (error)
		return fail_errno(failure, error, "detaching failed");
	return json_object();
}
