/* SPDX-License-Identifier: Apache-2.0 */
/* What a BPF iterator prints. */
#ifndef ITERATE_H
#define ITERATE_H

#include "failure.h"

json_t *iterate_operation(const json_t *request, struct failure *failure);

#endif
