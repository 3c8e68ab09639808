/* SPDX-License-Identifier: Apache-2.0 */
#include "listener.h"

#include "buffer.h"
#include "adopted.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>

/* Of each CPU's perf buffer; a power of two. */
#define PAGES 16
/* What is kept of a program that sends without end. */
#define MOST_RECORDS 10000

struct listener {
	/* Of the map; the object holds it. */
	int descriptor;
	struct ring_buffer *ring;
	struct perf_buffer *perf;
	json_t *records;
	json_int_t lost;
	struct listener *next;
};

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

static void end(struct listener *listener)
{
	ring_buffer__free(listener->ring);
	perf_buffer__free(listener->perf);
	json_decref(listener->records);
	free(listener);
}

static bool listen_to(struct listener *listener, const struct held_map *map,
		      struct failure *failure)
{
	int descriptor = map->descriptor;

	switch (map->type) {
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
		     map->name);
		return false;
	}
	if (!listener->ring && !listener->perf) {
		fail_errno(failure, errno, "can't listen to map %s", map->name);
		return false;
	}
	return true;
}

struct listener *listener_find(struct listener *list, const struct held_map *map)
{
	while (list && list->descriptor != map->descriptor)
		list = list->next;
	return list;
}

bool listener_add(struct listener **list, const struct held_map *map,
		  struct failure *failure)
{
	struct listener *listener = must_resize(NULL, 1, sizeof(*listener));

	*listener = (struct listener){.descriptor = map->descriptor,
				      .records = json_array()};
	if (!listen_to(listener, map, failure)) {
		end(listener);
		return false;
	}
	listener->next = *list;
	*list = listener;
	return true;
}

json_t *listener_drain(struct listener *listener, const char *name,
		       struct failure *failure)
{
	json_t *given;
	int error;

	error = listener->ring ? ring_buffer__consume(listener->ring)
			       : perf_buffer__consume(listener->perf);
	if (error < 0)
		return fail_errno(failure, -error, "can't read map %s", name);
	given = json_pack("{s:o, s:I}", "records", listener->records, "lost",
			  listener->lost);
	listener->records = json_array();
	listener->lost = 0;
	return given;
}

void listener_end_all(struct listener **list)
{
	while (*list) {
		struct listener *next = (*list)->next;

		end(*list);
		*list = next;
	}
}
