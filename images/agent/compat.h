/* SPDX-License-Identifier: Apache-2.0 */
/* `loader: compat`: programs are rewritten, between libbpf's relocations and the
 * kernel, so that kernels from 4.4 on take them. docs/compat.md tells how and why.
 */
#ifndef COMPAT_H
#define COMPAT_H

#include "buffer.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

struct compat;

/* Notes what of the object's file will be needed. Never NULL. */
struct compat *compat_open(const struct buffer *image);
void compat_close(struct compat *compat);

/* Like bpf_object__load(), with programs rewritten; with a `compat` of NULL they are
 * not, and the log tells of those refused ones that rewriting would help.
 */
int compat_load(struct compat *compat, struct bpf_object *bpf);

/* The linker puts the first in the place of libbpf's bpf_prog_load(), which the second
 * is: --wrap, see Makefile. They are reserved names because the linker makes them.
 */
int __wrap_bpf_prog_load(enum bpf_prog_type type, const char *name, const char *license,
			 const struct bpf_insn *insns, size_t count,
			 const struct bpf_prog_load_opts *options);
int __real_bpf_prog_load(enum bpf_prog_type type, const char *name, const char *license,
			 const struct bpf_insn *insns, size_t count,
			 const struct bpf_prog_load_opts *options);

#endif
