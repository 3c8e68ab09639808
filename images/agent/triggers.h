/* SPDX-License-Identifier: Apache-2.0 */
/* What makes an attached program run. */
#ifndef TRIGGERS_H
#define TRIGGERS_H

#include "failure.h"

json_t *fork_operation(const json_t *request, struct failure *failure);
json_t *syscall_operation(const json_t *request, struct failure *failure);
json_t *sleep_operation(const json_t *request, struct failure *failure);

#endif
