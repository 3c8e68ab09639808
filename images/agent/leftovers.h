/* SPDX-License-Identifier: Apache-2.0 */
/* What a case leaves in the kernel: programs, maps, links and pins. */
#ifndef LEFTOVERS_H
#define LEFTOVERS_H

#include "failure.h"

/* With "begin" notes what there is; without, returns what there is besides. */
json_t *leftovers_operation(const json_t *request, struct failure *failure);

#endif
