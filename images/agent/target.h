/* SPDX-License-Identifier: Apache-2.0 */
/* Places that a program is attached to other than its section says. */
#ifndef TARGET_H
#define TARGET_H

#include "attachment.h"
#include "failure.h"

/* Attaches a program of an object to a place that is written as a section is:
 * "kprobe/do_fork". False with a failure.
 */
bool attach_to(const struct bpf_object *object, const struct bpf_program *program,
	       const char *target, struct attachment *made, struct failure *failure);

#endif
