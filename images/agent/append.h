/* SPDX-License-Identifier: Apache-2.0 */
/* Files that come in parts, to any place of the guest. */
#ifndef APPEND_H
#define APPEND_H

#include "failure.h"

json_t *append_operation(const json_t *request, struct failure *failure);

#endif
