/* SPDX-License-Identifier: Apache-2.0 */
#include "loading.h"

#include "buffer.h"
#include "children.h"
#include "failure.h"
#include "places.h"
#include "text.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NO_ID 0
#define NO_PROGRAM (-1)

/* A program that was loaded; `tag` and `id` are empty on old kernels. */
struct program {
	pid_t process;
	int descriptor;
	/* 4.13; in fdinfo later. */
	unsigned int id;
	/* Where its section says that it goes; may be NULL. */
	char *target;
};

/* A perf event that is open. */
struct event {
	pid_t process;
	int descriptor;
	struct perf_event_attr attributes;
	/* NULL until somebody asks, where the attributes alone say it. */
	char *place;
};

/* A map that is kept. */
struct held {
	const char *name;
	/* -1 until there is one. */
	int descriptor;
};

static struct held *held;
static size_t held_count;
static struct program *programs;
static struct event *events;
static size_t program_count, event_count;

/* ------------------------------------------------------------ descriptors */

/* What the kernel says of a descriptor of BPF. */
struct details {
	unsigned int id;
	char tag[17];
};

static struct details details_of(pid_t thread, int descriptor)
{
	struct details details = {.id = NO_ID};
	char path[64], line[128];
	FILE *info;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", thread, descriptor);
	info = fopen(path, "re");
	while (info && fgets(line, sizeof(line), info)) {
		sscanf(line, "prog_tag: %16[0-9a-f]", details.tag);
		sscanf(line, "prog_id: %u", &details.id);
		sscanf(line, "map_id: %u", &details.id);
	}
	if (info)
		fclose(info);
	return details;
}

static void add_program(struct program program)
{
	programs = must_resize(programs, program_count + 1, sizeof(*programs));
	programs[program_count++] = program;
}

static void add_event(struct event event)
{
	for (size_t i = 0; i < event_count; i++) {
		if (events[i].process != event.process ||
		    events[i].descriptor != event.descriptor)
			continue;
		free(events[i].place);
		events[i] = event;
		return;
	}
	events = must_resize(events, event_count + 1, sizeof(*events));
	events[event_count++] = event;
}

/* The number of the program that a descriptor is, in the order in which they were
 * loaded.
 */
static int program_of(pid_t thread, int descriptor)
{
	unsigned int id = details_of(thread, descriptor).id;
	pid_t process = tracee_process(thread);

	for (size_t i = program_count; i > 0; i--) {
		const struct program *program = &programs[i - 1];

		if (id != NO_ID ? program->id == id
				: program->process == process &&
					  program->descriptor == descriptor)
			return (int)(i - 1);
	}
	return NO_PROGRAM;
}

void loading_hold(const json_t *names)
{
	const json_t *name;
	size_t i;

	json_array_foreach (names, i, name) {
		held = must_resize(held, held_count + 1, sizeof(*held));
		held[held_count++] = (struct held){json_string_value(name), -1};
	}
}

bool loading_holds(void)
{
	for (size_t i = 0; i < held_count; i++)
		if (held[i].descriptor >= 0)
			return true;
	return false;
}

/* Keeps a map that a thread has created, if it is one of those that are wanted. */
static void hold(pid_t thread, const char *name, int descriptor)
{
	for (size_t i = 0; i < held_count; i++) {
		unsigned int id;

		/* A loader cuts a name to what the kernel keeps. */
		if (!*name || strncmp(held[i].name, name, BPF_OBJ_NAME_LEN - 1) != 0)
			continue;
		id = details_of(thread, descriptor).id;
		if (held[i].descriptor >= 0)
			close(held[i].descriptor);
		held[i].descriptor = id == NO_ID ? -1 : bpf_map_get_fd_by_id(id);
	}
}

/* ------------------------------------------------------------------ begin */

void loading_begin(pid_t thread, const struct call *call, struct loading *loading)
{
	size_t size = 0;
	uint64_t address = 0;

	*loading = (struct loading){.call = *call};
	switch (call->number) {
	case SYS_bpf:
		address = call->arguments[1];
		size = call->arguments[2] < sizeof(loading->given.bpf)
			       ? call->arguments[2]
			       : sizeof(loading->given.bpf);
		break;
	case SYS_perf_event_open:
		address = call->arguments[0];
		size = sizeof(loading->given.event);
		break;
	case SYS_setsockopt:
		address = call->arguments[3];
		size = sizeof(loading->given.descriptor);
		break;
	}
	tracee_read(thread, address, &loading->given, size);
}

/* -------------------------------------------------------------------- end */

static json_t *type_json(const char *name, unsigned int number)
{
	return name ? json_string(name) : json_sprintf("%u", number);
}

static json_t *name_json(const char *name)
{
	return text_json(name, strnlen(name, BPF_OBJ_NAME_LEN));
}

static json_t *program_json(pid_t thread, const union bpf_attr *attr, int64_t result)
{
	struct details details = {.id = NO_ID};
	bool elsewhere = attr->attach_btf_obj_fd || attr->attach_prog_fd;
	char *target = kernel_btf_place(attr->expected_attach_type,
					elsewhere ? 0 : attr->attach_btf_id);
	json_t *json;

	if (!attr->attach_btf_id) {
		free(target);
		target = NULL;
	}
	if (result >= 0)
		details = details_of(thread, (int)result);
	json = json_pack(
		"{s:s, s:o, s:o, s:s, s:s, s:I, s:b}", "call", "program", "name",
		name_json(attr->prog_name), "type",
		type_json(libbpf_bpf_prog_type_str(attr->prog_type), attr->prog_type),
		"tag", details.tag, "target", target ? target : "", "instructions",
		(json_int_t)attr->insn_cnt, "btf", attr->prog_btf_fd > 0);
	if (result >= 0)
		add_program((struct program){.process = tracee_process(thread),
					     .descriptor = (int)result,
					     .id = details.id,
					     .target = target});
	else
		free(target);
	return json;
}

static json_t *map_json(const union bpf_attr *attr)
{
	return json_pack(
		"{s:s, s:o, s:o, s:I, s:I, s:I, s:b}", "call", "map", "name",
		name_json(attr->map_name), "type",
		type_json(libbpf_bpf_map_type_str(attr->map_type), attr->map_type),
		"key_size", (json_int_t)attr->key_size, "value_size",
		(json_int_t)attr->value_size, "max_entries",
		(json_int_t)attr->max_entries, "btf",
		attr->btf_fd > 0 && attr->btf_value_type_id > 0);
}

/* Takes over `place`, which may be NULL: then it is where the program's section says.
 */
static json_t *attach_json(pid_t thread, int descriptor, char *place)
{
	int program = program_of(thread, descriptor);
	const char *named = place ? place : "";
	json_t *json;

	if (!place && program != NO_PROGRAM && programs[program].target)
		named = programs[program].target;
	json = json_pack("{s:s, s:i, s:o}", "call", "attach", "program", program,
			 "place", string_json(named));
	free(place);
	return json;
}

static const char *event_place(pid_t thread, int descriptor)
{
	pid_t process = tracee_process(thread);

	for (size_t i = 0; i < event_count; i++) {
		struct event *event = &events[i];

		if (event->process != process || event->descriptor != descriptor)
			continue;
		if (!event->place)
			event->place = perf_event_place(&event->attributes);
		return event->place;
	}
	return "perf_event";
}

static json_t *link_json(pid_t thread, const union bpf_attr *attr)
{
	unsigned int type = attr->link_create.attach_type;
	char *place;

	switch (type) {
	case BPF_PERF_EVENT:
		place = text_of("%s",
				event_place(thread, (int)attr->link_create.target_fd));
		break;
	case BPF_TRACE_KPROBE_MULTI:
		place = functions_place(thread, attr->link_create.kprobe_multi.syms,
					attr->link_create.kprobe_multi.cnt);
		break;
	case BPF_TRACE_RAW_TP:
	case BPF_TRACE_FENTRY:
	case BPF_TRACE_FEXIT:
	case BPF_MODIFY_RETURN:
	case BPF_LSM_MAC:
	case BPF_TRACE_ITER:
		place = NULL;
		break;
	default:
		place = attach_type_place(thread, type, attr->link_create.target_fd);
	}
	return attach_json(thread, (int)attr->link_create.prog_fd, place);
}

static json_t *raw_tracepoint_json(pid_t thread, const union bpf_attr *attr)
{
	char name[128];

	tracee_text(thread, attr->raw_tracepoint.name, name, sizeof(name));
	return attach_json(thread, (int)attr->raw_tracepoint.prog_fd,
			   *name ? text_of("raw_tp/%s", name) : NULL);
}

static json_t *bpf_json(pid_t thread, const struct loading *loading, int64_t result)
{
	const union bpf_attr *attr = &loading->given.bpf;

	switch (loading->call.arguments[0]) {
	case BPF_MAP_CREATE:
		if (result >= 0)
			hold(thread, attr->map_name, (int)result);
		return map_json(attr);
	case BPF_PROG_LOAD:
		return program_json(thread, attr, result);
	case BPF_PROG_ATTACH:
		return attach_json(
			thread, (int)attr->attach_bpf_fd,
			attach_type_place(thread, attr->attach_type, attr->target_fd));
	case BPF_RAW_TRACEPOINT_OPEN:
		return raw_tracepoint_json(thread, attr);
	case BPF_LINK_CREATE:
		return link_json(thread, attr);
	}
	return NULL;
}

static bool is_counted_only(const struct perf_event_attr *event)
{
	return event->type == PERF_TYPE_SOFTWARE &&
	       event->config == PERF_COUNT_SW_BPF_OUTPUT;
}

/* What the call did, without who made it. */
static json_t *deed_json(pid_t thread, const struct loading *loading, int64_t result)
{
	const uint64_t *arguments = loading->call.arguments;
	const struct perf_event_attr *event = &loading->given.event;

	switch (loading->call.number) {
	case SYS_bpf:
		return bpf_json(thread, loading, result);
	case SYS_perf_event_open:
		if (result >= 0 && !is_counted_only(event))
			add_event((struct event){
				.process = tracee_process(thread),
				.descriptor = (int)result,
				.attributes = *event,
				.place = probe_place(thread, event),
			});
		return NULL;
	case SYS_ioctl:
		return attach_json(
			thread, (int)arguments[2],
			text_of("%s", event_place(thread, (int)arguments[0])));
	case SYS_setsockopt:
		return attach_json(thread, loading->given.descriptor,
				   text_of("socket"));
	}
	return NULL;
}

json_t *loading_end(pid_t thread, const struct loading *loading, int64_t result)
{
	json_t *json = deed_json(thread, loading, result);
	const char *error = result < 0 ? errno_name((int)-result) : "";
	pid_t process;

	if (!json)
		return NULL;
	process = tracee_process(thread);
	json_object_set_new(json, "pid", json_integer(process));
	json_object_set_new(json, "process", process_name_json(process));
	json_object_set_new(json, "error",
			    error ? json_string(error)
				  : json_sprintf("%lld", (long long)-result));
	return json;
}
