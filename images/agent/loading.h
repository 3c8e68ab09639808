/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that create maps, load programs and attach them, read from outside of the
 * process that makes them. What a record says is what the process gave the kernel, and
 * what the kernel answered.
 */
#ifndef LOADING_H
#define LOADING_H

#include "tracee.h"

#include <jansson.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdbool.h>

/* A call that is on its way. */
struct loading {
	struct call call;
	/* What its arguments point to. */
	union {
		union bpf_attr bpf;
		struct perf_event_attr event;
		int descriptor;
	} given;
};

/* Reads what a call was given, before it is made. */
void loading_begin(pid_t thread, const struct call *call, struct loading *loading);

/* Keeps maps of these names, an array of texts, after their own process has closed
 * them; of several with one name the last. Before 4.18 a kernel has no ids in
 * /proc/PID/fdinfo, and nothing is kept.
 */
void loading_hold(const json_t *names);
/* Whether any is kept; they are until this process ends. */
bool loading_holds(void);

/* What a call did, once it was made; NULL for one that changes nothing. */
json_t *loading_end(pid_t thread, const struct loading *loading, int64_t result);

#endif
