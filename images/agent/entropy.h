/* SPDX-License-Identifier: Apache-2.0 */
/* Entropy for guests that have none of their own. */
#ifndef ENTROPY_H
#define ENTROPY_H

#include <stdbool.h>
#include <stddef.h>

/* Adds bytes to the kernel's pool and credits them in full; false with errno. */
bool add_entropy(const void *bytes, size_t size);

/* Credits the kernel's pool. Returns an exit status. */
int credit_entropy(void);

#endif
