/* SPDX-License-Identifier: Apache-2.0 */
/* What is done for each kind of request; main.c says which there are. */
#ifndef SERVE_H
#define SERVE_H

#include "request.h"

/* Returns the answer; NULL only without memory. */
json_t *serve_request(const struct request *request);

#endif
