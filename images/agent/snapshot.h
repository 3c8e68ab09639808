/* SPDX-License-Identifier: Apache-2.0 */
/* Before a guest's state is saved, and after it came back. */
#ifndef SNAPSHOT_H
#define SNAPSHOT_H

#include "failure.h"

/* Fills free memory with zeroes, which take no room in a saved state. */
json_t *settle_operation(const json_t *request, struct failure *failure);
/* Sets the clock, and gives the kernel randomness that no other guest has. */
json_t *wake_operation(const json_t *request, struct failure *failure);

#endif
