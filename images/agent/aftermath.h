/* SPDX-License-Identifier: Apache-2.0 */
/* What came of a case: what the kernel logged meanwhile, and what is left in it. */
#ifndef AFTERMATH_H
#define AFTERMATH_H

#include "failure.h"

/* With "begin" notes how things are; without, returns what came since. One operation
 * for all: a round trip costs more than any of it.
 */
json_t *aftermath_operation(const json_t *request, struct failure *failure);

#endif
