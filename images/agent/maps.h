/* SPDX-License-Identifier: Apache-2.0 */
/* A map's rows as bytes, for kernels where bpftool can't read them. */
#ifndef MAPS_H
#define MAPS_H

#include "failure.h"

json_t *dump_operation(const json_t *request, struct failure *failure);

#endif
