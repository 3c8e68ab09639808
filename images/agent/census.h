/* SPDX-License-Identifier: Apache-2.0 */
/* What there is in the guest now, to be compared with what there was at its start. */
#ifndef CENSUS_H
#define CENSUS_H

#include "failure.h"

json_t *census_operation(const json_t *request, struct failure *failure);

#endif
