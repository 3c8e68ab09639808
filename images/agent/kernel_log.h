/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel logs, whether or not its console shows it. */
#ifndef KERNEL_LOG_H
#define KERNEL_LOG_H

#include <jansson.h>
#include <stdbool.h>

/* Opens the log, at its end. Before anything counts what the agent has open. */
void kernel_log_start(void);
/* The next records are those from now on. */
void kernel_log_skip(void);
/* Records since the last call of any of these; null where the log can't be read. Tells
 * whether some are missing.
 */
json_t *kernel_log_json(bool *is_incomplete);
/* How much was logged, whether or not it came to the console; for comparisons. What the
 * functions above log themselves to end a line does not count.
 */
int kernel_log_size(void);

#endif
