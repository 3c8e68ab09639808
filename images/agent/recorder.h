/* SPDX-License-Identifier: Apache-2.0 */
/* Records what a command and all that it starts load and attach.
 *
 * A process of its own traces the command by ptrace(2). A seccomp filter stops it only
 * in the calls that load something, so that what else it does costs no more than
 * before, and nothing is too short-lived to be seen. Both work from 3.8 on. Where the
 * kernel was built without such filters, each call stops.
 */
#ifndef RECORDER_H
#define RECORDER_H

#include "buffer.h"

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

struct recorder {
	/* Where the command learns whether it is traced. */
	int ready[2];
	/* A line of JSON for each call that was recorded. */
	int records[2];
	/* The start of a line. */
	struct buffer left;
};

/* A recorder that has not begun. */
#define NO_RECORDER ((struct recorder){.ready = {-1, -1}, .records = {-1, -1}})

/* To be called before the command's process is made; false with errno. */
bool recorder_prepare(struct recorder *recorder);
/* To be called in the command's process, while it may still do everything. */
void recorder_submit(struct recorder *recorder);
/* To be called in the agent: starts to trace the command. Maps of the names in `held`,
 * an array or NULL, are kept until all that the command left behind is released.
 */
void recorder_start(struct recorder *recorder, pid_t command, const json_t *held);
/* Sends what was recorded by now as events; false when there is nothing to come, or
 * nobody to read it.
 */
bool recorder_forward(struct recorder *recorder);
/* Sends the rest, once the command has ended. */
void recorder_end(struct recorder *recorder);

#endif
