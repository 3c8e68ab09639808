/* SPDX-License-Identifier: Apache-2.0 */
/* Requests about the current target's types. */
#ifndef LOOKUP_H
#define LOOKUP_H

#include "request.h"

/* Each is the request of that name; see main.c. */
json_t *lookup_find(const struct request *request);
json_t *lookup_functions(const struct request *request);
json_t *lookup_prototypes(const struct request *request);
json_t *lookup_kfuncs(const struct request *request);
json_t *lookup_enumerators(const struct request *request);
json_t *lookup_near(const struct request *request);
json_t *lookup_moved(const struct request *request);
json_t *lookup_types(const struct request *request);

#endif
