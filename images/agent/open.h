/* SPDX-License-Identifier: Apache-2.0 */
/* Opening an object, which is held from then on. */
#ifndef OPEN_H
#define OPEN_H

#include "failure.h"

json_t *open_operation(const json_t *request, struct failure *failure);

#endif
