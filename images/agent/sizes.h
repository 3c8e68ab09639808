/* SPDX-License-Identifier: Apache-2.0 */
/* What a program takes in the kernel. */
#ifndef SIZES_H
#define SIZES_H

#include <jansson.h>

/* Adds to a program's row what the kernel says of it: "bytes_xlated", "bytes_jited" and
 * "bytes_memlock", and "verified_insns", the instructions that the verifier processed.
 * Each is null where the kernel does not tell.
 */
void add_sizes(json_t *row, int descriptor);

#endif
