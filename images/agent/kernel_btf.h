/* SPDX-License-Identifier: Apache-2.0 */
/* A kernel's BTF, parsed once. libbpf 1.1 reads it anew for each object: 5 MB and
 * 130,000 types, of which nothing changes while a kernel runs.
 *
 * The linker lets libbpf's own calls of btf__load_vmlinux_btf(), btf__parse() and
 * btf__free() come here first, so what objects get is what they would have got.
 */
#ifndef KERNEL_BTF_H
#define KERNEL_BTF_H

#endif
