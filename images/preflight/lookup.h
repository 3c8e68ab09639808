/* SPDX-License-Identifier: Apache-2.0 */
/* Requests about the current target's types, called as they are. */
#ifndef LOOKUP_H
#define LOOKUP_H

#include "request.h"

json_t *find(const struct request *request);
json_t *functions(const struct request *request);
json_t *near(const struct request *request);
json_t *moved(const struct request *request);
json_t *types(const struct request *request);

#endif
