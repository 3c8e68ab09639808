/* SPDX-License-Identifier: Apache-2.0 */
/* How much names resemble each other. */
#ifndef DISTANCE_H
#define DISTANCE_H

#include <stdbool.h>
#include <stddef.h>

/* Whether a name resembles another one: `*distance` insertions, deletions and changes
 * lead from one to the other, at most one and one more for each four letters of `name`.
 * Of long names only the beginning counts.
 */
bool distance_is_near(const char *name, const char *other, size_t *distance);

#endif
