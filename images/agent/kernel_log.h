/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel logs, whether or not its console shows it. */
#ifndef KERNEL_LOG_H
#define KERNEL_LOG_H

#include "failure.h"

/* Opens the log, at its end. Before anything counts what the agent has open. */
void kernel_log_start(void);

/* Records since the last call, or since the start. With "skip" nothing is returned, and
 * the next call begins here.
 */
json_t *kernel_log_operation(const json_t *request, struct failure *failure);

#endif
