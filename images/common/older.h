/* SPDX-License-Identifier: Apache-2.0 */
/* What libbpf has from 1.0 on, for 0.8; and what its headers may not know.
 *
 * libbpf's btf.h of 1.0 defines BTF_KIND_ENUM64 when it can read 64-bit enumerators,
 * whatever version it calls itself: the kernel's trees carry versions between two
 * releases.
 */
#ifndef OLDER_H
#define OLDER_H

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

/* BPF_MAP_TYPE_USER_RINGBUF and BPF_CORE_TYPE_MATCHES: as enumerators, the preprocessor
 * can't tell whether they are there.
 */
#define USER_RINGBUF ((enum bpf_map_type)31)
#define TYPE_MATCHES ((enum bpf_core_relo_kind)12)

#ifdef BTF_KIND_ENUM64

/* What CO-RE relocation computes with. */
typedef __u64 relocation_value;

#else

typedef __u32 relocation_value;

#define BTF_KIND_ENUM64 19

/* The system's header may have it, where libbpf's has no functions for it. */
#define btf_enum64 older_enum64

struct btf_enum64 {
	__u32 name_off;
	__u32 val_lo32;
	__u32 val_hi32;
};

static inline struct btf_enum64 *btf_enum64(const struct btf_type *t)
{
	return (struct btf_enum64 *)(t + 1);
}

static inline __u64 btf_enum64_value(const struct btf_enum64 *e)
{
	return (__u64)e->val_hi32 << 32 | e->val_lo32;
}

static inline bool btf_is_any_enum(const struct btf_type *t)
{
	return btf_is_enum(t);
}

#endif

/* Weak: libbpf's own are used where it has them. */
const char *libbpf_bpf_prog_type_str(enum bpf_prog_type type);
const char *libbpf_bpf_map_type_str(enum bpf_map_type type);
const char *libbpf_bpf_attach_type_str(enum bpf_attach_type type);

#endif
