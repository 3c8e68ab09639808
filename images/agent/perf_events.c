/* SPDX-License-Identifier: Apache-2.0 */
#include "perf_events.h"

#include <stddef.h>
#include <string.h>

static const char *const software[] = {
	"cpu-clock",	    "task-clock",	"page-faults",
	"context-switches", "migrations",	"minor-faults",
	"major-faults",	    "alignment-faults", "emulation-faults",
};
static const char *const hardware[] = {
	"cycles",
	"instructions",
	"cache-references",
	"cache-misses",
	"branches",
	"branch-misses",
	"bus-cycles",
	"stalled-cycles-frontend",
	"stalled-cycles-backend",
	"ref-cycles",
};

static const struct {
	__u32 type;
	const char *const *names;
	size_t count;
} kinds[] = {
	{PERF_TYPE_SOFTWARE, software, sizeof(software) / sizeof(*software)},
	{PERF_TYPE_HARDWARE, hardware, sizeof(hardware) / sizeof(*hardware)},
};
#define KIND_COUNT (sizeof(kinds) / sizeof(*kinds))

const char *perf_event_name(const struct perf_event_attr *event)
{
	for (size_t i = 0; i < KIND_COUNT; i++)
		if (kinds[i].type == event->type && event->config < kinds[i].count)
			return kinds[i].names[event->config];
	return NULL;
}

bool perf_event_named(const char *name, struct perf_event_attr *event)
{
	for (size_t i = 0; i < KIND_COUNT; i++) {
		for (size_t number = 0; number < kinds[i].count; number++) {
			if (strcmp(name, kinds[i].names[number]))
				continue;
			event->type = kinds[i].type;
			event->config = number;
			return true;
		}
	}
	return false;
}
