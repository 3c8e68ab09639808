/* SPDX-License-Identifier: Apache-2.0 */
/* Loading an object, and what came of it. */
#ifndef LOAD_H
#define LOAD_H

#include "failure.h"

json_t *load_operation(const json_t *request, struct failure *failure);
/* A program's instructions as libbpf relocated them, in base64. */
json_t *instructions_operation(const json_t *request, struct failure *failure);

#endif
