/* SPDX-License-Identifier: Apache-2.0 */
/* What helpers take, by their numbers, which never change. */
#ifndef HELPERS_H
#define HELPERS_H

#include <stdint.h>

#define MOST_HELPER_ARGUMENTS 5

/* How many registers a helper may read, from r1 on; 5 for one that is not known. */
int helper_arguments(int32_t helper);

#endif
