/* SPDX-License-Identifier: Apache-2.0 */
/* Places that a program is attached to other than its section says. */
#ifndef TARGET_H
#define TARGET_H

#include "failure.h"

#include <bpf/libbpf.h>

/* Attaches a program to a place that is written as a section is: "kprobe/do_fork". NULL
 * with a failure.
 */
struct bpf_link *attach_to(const struct bpf_program *program, const char *target,
			   struct failure *failure);

#endif
