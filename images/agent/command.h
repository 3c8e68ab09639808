/* SPDX-License-Identifier: Apache-2.0 */
/* Running a command, with a deadline, until its end. */
#ifndef COMMAND_H
#define COMMAND_H

#include "failure.h"

json_t *run_operation(const json_t *request, struct failure *failure);

#endif
