/* SPDX-License-Identifier: Apache-2.0 */
#include "drain.h"

#include "buffer.h"
#include "object.h"
#include "text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

/* Of each CPU's perf buffer; a power of two. */
#define PAGES 16
/* What is kept of a program that sends without end. */
#define MOST_RECORDS 10000

struct listener {
	const struct object *object;
	const struct bpf_map *map;
	struct ring_buffer *ring;
	struct perf_buffer *perf;
	json_t *records;
	json_int_t lost;
	struct listener *next;
};

static struct listener *listeners;

static void keep(struct listener *listener, const void *data, size_t size)
{
	if (json_array_size(listener->records) < MOST_RECORDS)
		json_array_append_new(listener->records, base64_json(data, size));
	else
		listener->lost++;
}

static int keep_ring_record(void *context, void *data, size_t size)
{
	keep(context, data, size);
	return 0;
}

static void keep_perf_record(void *context, int cpu, void *data, uint32_t size)
{
	(void)cpu;
	keep(context, data, size);
}

static void count_lost(void *context, int cpu, unsigned long long count)
{
	struct listener *listener = context;

	(void)cpu;
	listener->lost += (json_int_t)count;
}

static void end_listener(struct listener *listener)
{
	ring_buffer__free(listener->ring);
	perf_buffer__free(listener->perf);
	json_decref(listener->records);
	free(listener);
}

static bool open_listener(struct listener *listener, struct failure *failure)
{
	const struct bpf_map *map = listener->map;
	int descriptor = bpf_map__fd(map);

	switch (bpf_map__type(map)) {
	case BPF_MAP_TYPE_RINGBUF:
		listener->ring =
			ring_buffer__new(descriptor, keep_ring_record, listener, NULL);
		break;
	case BPF_MAP_TYPE_PERF_EVENT_ARRAY:
		listener->perf = perf_buffer__new(descriptor, PAGES, keep_perf_record,
						  count_lost, listener, NULL);
		break;
	default:
		fail(failure, "map %s is neither a ring buffer nor a perf event array",
		     bpf_map__name(map));
		return false;
	}
	if (!listener->ring && !listener->perf) {
		fail_errno(failure, errno, "can't listen to map %s",
			   bpf_map__name(map));
		return false;
	}
	return true;
}

static struct listener *find(const struct object *object, const struct bpf_map *map)
{
	for (struct listener *it = listeners; it; it = it->next)
		if (it->object == object && it->map == map)
			return it;
	return NULL;
}

json_t *listen_operation(const json_t *request, struct failure *failure)
{
	struct object *object = object_argument_of(request, failure);
	struct bpf_map *map = object ? map_argument(object, request, failure) : NULL;
	struct listener *listener;

	if (!map)
		return NULL;
	if (bpf_map__fd(map) < 0)
		return fail(failure, "map %s is not loaded", bpf_map__name(map));
	if (find(object, map))
		return json_object();
	listener = must_resize(NULL, 1, sizeof(*listener));
	*listener = (struct listener){
		.object = object, .map = map, .records = json_array()};
	if (!open_listener(listener, failure)) {
		end_listener(listener);
		return NULL;
	}
	listener->next = listeners;
	listeners = listener;
	return json_object();
}

json_t *drain_operation(const json_t *request, struct failure *failure)
{
	struct object *object = object_argument_of(request, failure);
	struct bpf_map *map = object ? map_argument(object, request, failure) : NULL;
	struct listener *listener = map ? find(object, map) : NULL;
	json_t *given;
	int error;

	if (!map)
		return NULL;
	if (!listener)
		return fail(failure, "nobody listens to map %s", bpf_map__name(map));
	error = listener->ring ? ring_buffer__consume(listener->ring)
			       : perf_buffer__consume(listener->perf);
	if (error < 0)
		return fail_errno(failure, -error, "can't read map %s",
				  bpf_map__name(map));
	given = json_pack("{s:o, s:I}", "records", listener->records, "lost",
			  listener->lost);
	listener->records = json_array();
	listener->lost = 0;
	return given;
}

void drain_forget(const struct object *object)
{
	struct listener **place = &listeners;

	while (*place) {
		struct listener *listener = *place;

		if (listener->object != object) {
			place = &listener->next;
			continue;
		}
		*place = listener->next;
		end_listener(listener);
	}
}
