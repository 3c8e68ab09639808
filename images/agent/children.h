/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that the agent started, and what these left behind. */
#ifndef CHILDREN_H
#define CHILDREN_H

#include "failure.h"

#include <stdbool.h>
#include <sys/types.h>

/* Makes orphans below the agent its children, so that none survives the session. */
void children_start(void);

/* Remembers a child, so that release can name it. */
void children_add(pid_t pid);
/* Fills an empty array with each process that came to the agent when its parent ended,
 * and with those below it that left their session, as {"pid", "name", "daemon"}:
 * whether it left its session. Waits up to half a second for those that may yet leave.
 */
void children_strangers(json_t *found);
/* Reaps what ended without being waited for. */
void children_reap(void);
/* Kills and reaps every process below the agent. */
void children_end(void);

/* A descriptor that is readable once a child ended; `children_signalled` resets it. */
int children_descriptor(void);
void children_signalled(void);

/* To be called in a new process: it dies with the agent, whose pid is `parent`. */
void die_with(pid_t parent);

/* The state letter of /proc/PID/stat, or 0; `parent` may be NULL. */
char process_state(pid_t pid, pid_t *parent);

/* The comm of a process; empty when it is gone. */
json_t *process_name_json(pid_t pid);

json_t *release_operation(const json_t *request, struct failure *failure);

#endif
