/* SPDX-License-Identifier: Apache-2.0 */
/* A pipe with something in it, and what the kernel tells of it. */
#ifndef PIPE_H
#define PIPE_H

#include "failure.h"

json_t *pipe_operation(const json_t *request, struct failure *failure);

#endif
