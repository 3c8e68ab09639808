/* SPDX-License-Identifier: Apache-2.0 */
/* Entropy for guests that have none of their own. */
#ifndef ENTROPY_H
#define ENTROPY_H

/* Credits the kernel's pool. Returns an exit status. */
int credit_entropy(void);

#endif
