/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOUND_H
#define SOUND_H

#include <bpf/btf.h>

/* Says why a parsed BTF can't be used safely, or returns NULL.
 *
 * libbpf checks lengths only. Its relocation trusts every id, name and nesting, would
 * follow a typedef of itself for ever and divide by the size of a bitfield's type.
 * `base`, which is sound, is what it stands on, or NULL.
 */
const char *sound(const struct btf *btf, const struct btf *base);

#endif
