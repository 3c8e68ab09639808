/* SPDX-License-Identifier: Apache-2.0 */
/* What a case leaves in the kernel: programs, maps, links and pins. */
#ifndef LEFTOVERS_H
#define LEFTOVERS_H

#include <jansson.h>

/* Notes what there is. */
void leftovers_begin(void);
/* What there is besides. */
json_t *leftovers_objects_json(void);
json_t *leftovers_pins_json(void);

#endif
