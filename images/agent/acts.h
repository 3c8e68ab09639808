/* SPDX-License-Identifier: Apache-2.0 */
/* What a process of its own does, for programs that look at such things. */
#ifndef ACTS_H
#define ACTS_H

#include "failure.h"

/* {"acts": ["create", "rename", …], "comm": "actor", "folder": "/run"}: a child does
 * them in order.
 */
json_t *act_operation(const json_t *request, struct failure *failure);

#endif
