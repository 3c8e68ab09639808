/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NEAR_H
#define NEAR_H

#include <jansson.h>
#include <stdbool.h>

#include "names.h"

/* Names of structs, unions, enumerations and typedefs that resemble one, at most 5; or
 * of functions, at most 20, and then also of those with the same longest word: their
 * prototypes may tell which of them it is.
 */
json_t *near_names(const struct names *names, const char *name, bool functions);

#endif
