/* SPDX-License-Identifier: Apache-2.0 */
/* How often programs ran. */
#ifndef RUNS_H
#define RUNS_H

#include "failure.h"

json_t *runs_operation(const json_t *request, struct failure *failure);

#endif
