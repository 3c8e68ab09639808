/* SPDX-License-Identifier: Apache-2.0 */
/* The running kernel's functions that programs can't attach to under their own name. */
#ifndef FUNCTIONS_H
#define FUNCTIONS_H

#include "failure.h"

/* A text with a line for each of the kernel's own functions that compilers changed or
 * split ("NAME.isra.0"), for the function itself where it is there as well, and for
 * each that can't be traced. "+" before the name is one that ftrace can trace, "-" one
 * that it can't. Functions of modules are left out.
 */
json_t *functions_operation(const json_t *request, struct failure *failure);

#endif
