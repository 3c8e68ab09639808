/* SPDX-License-Identifier: Apache-2.0 */
#include "object.h"

#include "arguments.h"
#include "compat.h"
#include "drain.h"
#include "files.h"
#include "log.h"
#include "suggest.h"
#include "older.h"
#include "settings.h"
#include "target.h"
#include "text.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_LOG_LEVEL 7
/* An ELF header, of which libelf reads more than it checks for. */
#define SMALLEST_ELF 64
/* Seconds that libbpf may take to open an object. */
#define OPEN_DEADLINE 20
/* Values of "loader". */
#define PLAIN "libbpf"
#define COMPAT "compat"

struct attached {
	const struct bpf_program *program;
	struct bpf_link *link;
};

struct object {
	int handle;
	struct bpf_object *bpf;
	/* NULL: plain libbpf loads it. */
	struct compat *compat;
	struct attached *attached;
	size_t attached_count;
	struct object *next;
};

static struct object *objects;

/* ----------------------------------------------------------------- lookup */

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
	     "argument \"handle\" must be that of an open object; "
	     "%" JSON_INTEGER_FORMAT " is none",
	     handle);
	return NULL;
}

struct bpf_object *object_bpf(const struct object *object)
{
	return object->bpf;
}

/* Fails: argument "WHAT": the object has no WHAT "WRONG"; did you mean …? */
static void fail_with_names(struct failure *failure, const char *what,
			    const char *wrong, const char **names, size_t count)
{
	char *near = suggest_names(wrong, names, count);

	fail(failure, "the object has no %s \"%s\": %s", what, wrong, near);
	free(near);
	free(names);
}

static void fail_with_programs(struct failure *failure, const struct bpf_object *bpf,
			       const char *wrong)
{
	const char **names = NULL;
	struct bpf_program *program;
	size_t count = 0;

	bpf_object__for_each_program (program, bpf) {
		names = must_resize(names, count + 1, sizeof(*names));
		names[count++] = bpf_program__name(program);
	}
	fail_with_names(failure, "program", wrong, names, count);
}

static void fail_with_maps(struct failure *failure, const struct bpf_object *bpf,
			   const char *wrong)
{
	const char **names = NULL;
	struct bpf_map *map;
	size_t count = 0;

	bpf_object__for_each_map (map, bpf) {
		names = must_resize(names, count + 1, sizeof(*names));
		names[count++] = bpf_map__name(map);
	}
	fail_with_names(failure, "map", wrong, names, count);
}

struct bpf_program *object_program(const struct bpf_object *bpf, const char *name,
				   struct failure *failure)
{
	struct bpf_program *program = bpf_object__find_program_by_name(bpf, name);

	if (!program)
		fail_with_programs(failure, bpf, name);
	return program;
}

struct bpf_map *object_map(const struct bpf_object *bpf, const char *name,
			   struct failure *failure)
{
	struct bpf_map *map = bpf_object__find_map_by_name(bpf, name);

	if (!map)
		fail_with_maps(failure, bpf, name);
	return map;
}

struct bpf_program *program_argument(const struct object *object, const json_t *request,
				     struct failure *failure)
{
	const char *name;

	if (!text_argument(request, "program", REQUIRED, &name, failure))
		return NULL;
	return object_program(object->bpf, name, failure);
}

struct bpf_map *map_argument(const struct object *object, const json_t *request,
			     struct failure *failure)
{
	const char *name;

	if (!text_argument(request, "map", REQUIRED, &name, failure))
		return NULL;
	return object_map(object->bpf, name, failure);
}

/* ------------------------------------------------------------ description */

/* "kprobe"; null for a type that this libbpf has no name for. */
static json_t *name_json(const char *name)
{
	return name ? string_json(name) : json_null();
}

static json_t *program_json(const struct bpf_program *program)
{
	const char *type = libbpf_bpf_prog_type_str(bpf_program__type(program));

	return json_pack("{s:o, s:o}", "name", string_json(bpf_program__name(program)),
			 "type", name_json(type));
}

static json_t *map_json(const struct bpf_map *map)
{
	const char *type = libbpf_bpf_map_type_str(bpf_map__type(map));

	return json_pack("{s:o, s:o, s:I, s:I, s:I}", "name",
			 string_json(bpf_map__name(map)), "type", name_json(type),
			 "key_size", (json_int_t)bpf_map__key_size(map), "value_size",
			 (json_int_t)bpf_map__value_size(map), "max_entries",
			 (json_int_t)bpf_map__max_entries(map));
}

static json_t *opened_json(const struct object *object)
{
	json_t *programs = json_array(), *maps = json_array();
	struct bpf_program *program;
	struct bpf_map *map;

	bpf_object__for_each_program (program, object->bpf) {
		json_t *row = program_json(program);

		json_object_set_new(row, "section",
				    string_json(bpf_program__section_name(program)));
		json_object_set_new(row, "load",
				    json_boolean(bpf_program__autoload(program)));
		json_array_append_new(programs, row);
	}
	bpf_object__for_each_map (map, object->bpf)
		json_array_append_new(maps, map_json(map));
	return json_pack("{s:i, s:o, s:o}", "handle", object->handle, "programs",
			 programs, "maps", maps);
}

/* ------------------------------------------------------------------- open */

/* Whether libbpf survives opening the object, tried in a process that may die of it:
 * libbpf 1.1 trusts much of what stands in an object.
 */
static bool survives_opening(const struct buffer *image, struct failure *failure)
{
	struct sigaction ends = {.sa_handler = SIG_DFL};
	int status = 0;
	pid_t pid = fork();

	if (pid < 0) {
		fail_errno(failure, errno, "can't fork");
		return false;
	}
	if (pid == 0) {
		sigaction(SIGALRM, &ends, NULL);
		alarm(OPEN_DEADLINE);
		libbpf_set_print(NULL);
		bpf_object__close(bpf_object__open_mem(image->data, image->size, NULL));
		_exit(EXIT_SUCCESS);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (WIFSIGNALED(status))
		fail(failure, "the object is broken: libbpf gets SIG%s opening it",
		     sigabbrev_np(WTERMSIG(status)));
	else if (status)
		fail(failure, "the object is broken: libbpf ends the agent opening it");
	return status == 0;
}

static bool is_object(const struct buffer *image, struct failure *failure)
{
	static const char magic[] = {0x7f, 'E', 'L', 'F'};

	if (image->size < sizeof(magic) || memcmp(image->data, magic, sizeof(magic))) {
		fail(failure, "the object is no ELF file (%zu bytes)", image->size);
		return false;
	}
	if (image->size < SMALLEST_ELF) {
		fail(failure, "the object is an ELF file that was cut off at %zu bytes",
		     image->size);
		return false;
	}
	return survives_opening(image, failure);
}

static struct bpf_object *open_image(const struct buffer *image, const char *name,
				     const char *btf, struct failure *failure)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = name,
		    .btf_custom_path = btf);
	struct bpf_object *bpf;

	if (!is_object(image, failure))
		return NULL;
	bpf = bpf_object__open_mem(image->data, image->size, &options);
	if (!bpf) {
		fail_errno(failure, errno, "libbpf can't open the object");
		return NULL;
	}
	if (!bpf_object__btf(bpf)) {
		bpf_object__close(bpf);
		fail(failure, "the object has no BTF; compile it with clang -g");
		return NULL;
	}
	return bpf;
}

/* The object's bytes, of "object" or of the file that "path" names. */
static bool image_argument(const json_t *request, struct buffer *image,
			   struct failure *failure)
{
	const char *path = NULL;

	if (!text_argument(request, "path", OPTIONAL, &path, failure))
		return false;
	if (!path)
		return bytes_argument(request, "object", REQUIRED, image, failure);
	if (json_object_get(request, "object")) {
		fail(failure, "arguments \"object\" and \"path\" exclude each other");
		return false;
	}
	return read_whole_file(path, image, failure);
}

static json_t *hold(struct bpf_object *bpf, struct compat *compat)
{
	static int last_handle;
	struct object *object = must_resize(NULL, 1, sizeof(*object));

	*object = (struct object){
		.handle = ++last_handle, .bpf = bpf, .compat = compat, .next = objects};
	objects = object;
	return opened_json(object);
}

/* "libbpf", as which it starts, or "compat". */
static bool loader_argument(const json_t *request, const char **loader,
			    struct failure *failure)
{
	if (!text_argument(request, "loader", OPTIONAL, loader, failure))
		return false;
	if (!strcmp(*loader, COMPAT) || !strcmp(*loader, PLAIN))
		return true;
	fail(failure,
	     "argument \"loader\" must be \"" PLAIN "\" or \"" COMPAT
	     "\"; it is \"%s\"",
	     *loader);
	return false;
}

json_t *open_operation(const json_t *request, struct failure *failure)
{
	const char *name, *btf = NULL, *loader = PLAIN;
	struct settings settings = {0};
	struct buffer image = {0};
	struct bpf_object *bpf = NULL;
	struct compat *compat = NULL;

	if (!text_argument(request, "name", REQUIRED, &name, failure) ||
	    !text_argument(request, "btf", OPTIONAL, &btf, failure) ||
	    !loader_argument(request, &loader, failure) ||
	    !settings_argument(request, &settings, failure))
		return NULL;
	if (image_argument(request, &image, failure))
		bpf = open_image(&image, name, btf, failure);
	if (bpf && !settings_apply(&settings, bpf, failure)) {
		bpf_object__close(bpf);
		bpf = NULL;
	}
	if (bpf && !strcmp(loader, COMPAT))
		compat = compat_open(&image);
	buffer_free(&image);
	return bpf ? hold(bpf, compat) : NULL;
}

/* ------------------------------------------------------------------- load */

/* What the kernel calls an object; null below 4.13, which can't tell. The ids of
 * programs and of maps stand in different places of their infos.
 */
static json_t *program_id_json(int descriptor)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(descriptor, &info, &size) || !info.id)
		return json_null();
	return json_integer(info.id);
}

static json_t *map_id_json(int descriptor)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof(info);

	if (bpf_obj_get_info_by_fd(descriptor, &info, &size) || !info.id)
		return json_null();
	return json_integer(info.id);
}

static json_t *loaded_programs_json(const struct object *object)
{
	json_t *rows = json_array();
	struct bpf_program *program;

	bpf_object__for_each_program (program, object->bpf) {
		int descriptor = bpf_program__fd(program);
		json_t *row;

		if (descriptor < 0)
			continue;
		row = program_json(program);
		json_object_set_new(row, "id", program_id_json(descriptor));
		json_object_set_new(
			row, "instructions",
			json_integer((json_int_t)bpf_program__insn_cnt(program)));
		json_array_append_new(rows, row);
	}
	return rows;
}

static json_t *loaded_maps_json(const struct object *object)
{
	json_t *rows = json_array();
	struct bpf_map *map;

	bpf_object__for_each_map (map, object->bpf) {
		int descriptor = bpf_map__fd(map);
		json_t *row;

		/* Global data before 5.2. */
		if (descriptor < 0)
			continue;
		row = map_json(map);
		json_object_set_new(row, "id", map_id_json(descriptor));
		json_array_append_new(rows, row);
	}
	return rows;
}

/* BPF_MAP_TYPE_CGRP_STORAGE and BPF_MAP_TYPE_ARENA, of newer headers. */
enum { CGRP_STORAGE = 32, ARENA = 33 };

/* Maps whose entries the kernel, or libbpf, counts itself. */
static bool needs_entries(enum bpf_map_type type)
{
	switch ((int)type) {
	case BPF_MAP_TYPE_PERF_EVENT_ARRAY:
	case BPF_MAP_TYPE_CGROUP_STORAGE:
	case BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE:
	case BPF_MAP_TYPE_SK_STORAGE:
	case BPF_MAP_TYPE_INODE_STORAGE:
	case BPF_MAP_TYPE_TASK_STORAGE:
	case BPF_MAP_TYPE_STRUCT_OPS:
	case CGRP_STORAGE:
		return false;
	default:
		return true;
	}
}

/* Maps whose values have no size of their own. */
static bool needs_value_size(enum bpf_map_type type)
{
	switch ((int)type) {
	case BPF_MAP_TYPE_RINGBUF:
	case USER_RINGBUF:
	case BPF_MAP_TYPE_ARRAY_OF_MAPS:
	case BPF_MAP_TYPE_HASH_OF_MAPS:
	case BPF_MAP_TYPE_STRUCT_OPS:
	case ARENA:
		return false;
	default:
		return true;
	}
}

/* Kernels say EINVAL of such a map, as they do of a type that they do not know. */
static void tell_of_incomplete_maps(const struct bpf_object *bpf)
{
	const struct bpf_map *map;

	bpf_object__for_each_map (map, bpf) {
		enum bpf_map_type type = bpf_map__type(map);

		if (!bpf_map__autocreate(map) || bpf_map__is_internal(map))
			continue;
		if (!bpf_map__max_entries(map) && needs_entries(type))
			log_add("agent: map '%s' has no max_entries",
				bpf_map__name(map));
		if (!bpf_map__value_size(map) && needs_value_size(type))
			log_add("agent: map '%s' has no value_size",
				bpf_map__name(map));
	}
}

json_t *load_operation(const json_t *request, struct failure *failure)
{
	struct object *object = object_argument_of(request, failure);
	struct bpf_program *program;
	json_int_t log_level = 0;
	int error;

	if (!object || !integer_argument(request, "log_level", OPTIONAL, 0,
					 MOST_LOG_LEVEL, &log_level, failure))
		return NULL;
	if (log_level) {
		bpf_object__for_each_program (program, object->bpf)
			bpf_program__set_log_level(program, (uint32_t)log_level);
	}
	error = compat_load(object->compat, object->bpf);
	if (error) {
		tell_of_incomplete_maps(object->bpf);
		return fail_errno(failure, -error, "the object does not load");
	}
	return json_pack("{s:o, s:o}", "programs", loaded_programs_json(object), "maps",
			 loaded_maps_json(object));
}

json_t *instructions_operation(const json_t *request, struct failure *failure)
{
	struct object *object = object_argument_of(request, failure);
	struct bpf_program *program =
		object ? program_argument(object, request, failure) : NULL;
	size_t count;

	if (!program)
		return NULL;
	if (bpf_program__fd(program) < 0)
		return fail(failure, "program %s is not loaded",
			    bpf_program__name(program));
	count = bpf_program__insn_cnt(program);
	return json_pack("{s:o}", "instructions",
			 base64_json(bpf_program__insns(program),
				     count * sizeof(struct bpf_insn)));
}

/* ----------------------------------------------------------------- attach */

const struct bpf_link *object_link(const struct object *object,
				   const struct bpf_program *program)
{
	for (size_t i = 0; i < object->attached_count; i++)
		if (object->attached[i].program == program)
			return object->attached[i].link;
	return NULL;
}

static json_t *hold_link(struct object *object, const struct bpf_program *program,
			 struct bpf_link *link)
{
	object->attached = must_resize(object->attached, object->attached_count + 1,
				       sizeof(*object->attached));
	object->attached[object->attached_count++] =
		(struct attached){.program = program, .link = link};
	return json_pack("{s:b}", "attached", 1);
}

/* As the program's section says. */
static json_t *attach_by_section(struct object *object,
				 const struct bpf_program *program,
				 struct failure *failure)
{
	size_t silence = log_size();
	struct bpf_link *link = bpf_program__attach(program);

	if (link)
		return hold_link(object, program, link);
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
	struct bpf_link *link;

	if (!program || !text_argument(request, "target", OPTIONAL, &target, failure))
		return NULL;
	if (object_link(object, program))
		return fail_errno(failure, EALREADY, "can't attach %s",
				  bpf_program__name(program));
	if (!target)
		return attach_by_section(object, program, failure);
	link = attach_to(program, target, failure);
	return link ? hold_link(object, program, link) : NULL;
}

/* Detaches a program, or all when it is NULL; returns the first errno. */
static int detach(struct object *object, const struct bpf_program *program)
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
	error = detach(object, program);
	if (error)
		return fail_errno(failure, error, "detaching failed");
	return json_object();
}

/* ------------------------------------------------------------------ close */

static int end_object(struct object *object)
{
	int error = detach(object, NULL);

	drain_forget(object);
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
		return fail_errno(failure, error, "detaching failed; it is closed");
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
