/* SPDX-License-Identifier: Apache-2.0 */
/* BPF tokens (6.9): what a user namespace may do that bpf(2) keeps from it.
 *
 * From 1.5 on, libbpf gets a token from a bpffs itself. To older ones the agent lends
 * it: their calls of bpf(2) get the token on their way into the kernel.
 */
#ifndef TOKEN_H
#define TOKEN_H

#include "failure.h"

#include <stdbool.h>

/* Where libbpf looks, from 1.5 on, for the bpffs of an object's token. */
#define TOKEN_VARIABLE "LIBBPF_BPF_TOKEN_PATH"

/* Begins to use a token of a bpffs, where libbpf does not do so itself. */
bool token_begin(const char *bpffs, struct failure *failure);
void token_end(void);

/* The linker puts the first in the place of the C library's syscall(), which the second
 * is: --wrap, see Makefile.
 */
long __wrap_syscall(long number, ...);
long __real_syscall(long number, ...);

#endif
