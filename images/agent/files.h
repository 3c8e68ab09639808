/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the guest, written for the runner and read for it. */
#ifndef FILES_H
#define FILES_H

#include "buffer.h"
#include "failure.h"

#include <stdbool.h>

bool read_whole_file(const char *path, struct buffer *content, struct failure *failure);

json_t *put_operation(const json_t *request, struct failure *failure);
json_t *read_operation(const json_t *request, struct failure *failure);

#endif
