/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NEAR_H
#define NEAR_H

#include <jansson.h>

#include "names.h"

/* Names of structs, unions, enumerations and typedefs that resemble one, at most 5. */
json_t *near_types(const struct names *names, const char *name);

#endif
