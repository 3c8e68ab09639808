/* SPDX-License-Identifier: Apache-2.0 */
/* What programs hand to user space as a stream: ring buffers and perf events. */
#ifndef DRAIN_H
#define DRAIN_H

#include "failure.h"

/* Starts to listen; what programs sent before is only in ring buffers. */
json_t *listen_operation(const json_t *request, struct failure *failure);
/* Gives what has come since, in order. */
json_t *drain_operation(const json_t *request, struct failure *failure);

#endif
