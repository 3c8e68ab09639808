/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that a loader writes into a map after it loaded the object. */
#ifndef FILL_H
#define FILL_H

#include "failure.h"

/* {"handle": …, "map": "m", "rows": [{"key": base64, "value": base64}]}; each processor
 * of a per-CPU map gets the same value.
 */
json_t *fill_operation(const json_t *request, struct failure *failure);

#endif
