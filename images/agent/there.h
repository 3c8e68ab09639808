/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the running kernel has what programs attach to. */
#ifndef THERE_H
#define THERE_H

#include "failure.h"

/* Of each place of "places", written as a section, whether it is there; true for those
 * of a kind that nothing is known of.
 */
json_t *there_operation(const json_t *request, struct failure *failure);

#endif
