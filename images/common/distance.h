/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DISTANCE_H
#define DISTANCE_H

#include <stddef.h>

/* Of longer names, only the beginning counts. */
#define LONGEST_NAME 128

/* Returns how many insertions, deletions and changes lead from one name to the other.
 */
size_t distance(const char *from, const char *to);

/* Returns the distance up to which a name is near one that may be meant. */
size_t near_enough(const char *meant);

#endif
