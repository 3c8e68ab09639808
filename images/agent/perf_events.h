/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the counters that every kernel knows, in software and in hardware. */
#ifndef PERF_EVENTS_H
#define PERF_EVENTS_H

#include <linux/perf_event.h>
#include <stdbool.h>

/* NULL for one that has no name here. */
const char *perf_event_name(const struct perf_event_attr *event);
/* Sets an event's type and configuration; false for a name that is not known. */
bool perf_event_named(const char *name, struct perf_event_attr *event);

#endif
