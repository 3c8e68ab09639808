/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RELOCATE_H
#define RELOCATE_H

#include "request.h"

/* The request "relocate". */
json_t *relocate_object(const struct request *request);

#endif
