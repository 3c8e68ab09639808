/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BTF_PROBLEM_H
#define BTF_PROBLEM_H

#include <bpf/btf.h>

/* Says why a parsed BTF can't be used safely, or returns NULL.
 *
 * libbpf checks lengths only. Its relocation trusts every id, name and nesting, would
 * follow a typedef of itself for ever and divide by the size of a bitfield's type.
 * `base`, which is sound, is what it stands on, or NULL.
 */
const char *btf_problem(const struct btf *btf, const struct btf *base);

#endif
