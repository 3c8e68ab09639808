/* SPDX-License-Identifier: Apache-2.0 */
/* Attaching and detaching the programs of an object. */
#ifndef ATTACH_H
#define ATTACH_H

#include "failure.h"

json_t *attach_operation(const json_t *request, struct failure *failure);
json_t *register_operation(const json_t *request, struct failure *failure);
json_t *detach_operation(const json_t *request, struct failure *failure);

#endif
