/* SPDX-License-Identifier: Apache-2.0 */
/* What a program can be attached to, named as sections of objects are:
 * "kprobe/do_unlinkat". Each function returns a text to be freed, which names only the
 * kind where the rest can't be told.
 */
#ifndef PLACES_H
#define PLACES_H

#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/types.h>

/* The function that a thread probes by perf_event_open(2); NULL if it opens something
 * else. It must be asked while the thread is in that call.
 */
char *probe_place(pid_t thread, const struct perf_event_attr *event);
/* Another perf event, by its attributes alone. */
char *perf_event_place(const struct perf_event_attr *event);

/* A function, or what else a program of this attach type is for, by its id in the
 * kernel's own BTF; 0 for one that is elsewhere.
 */
char *kernel_btf_place(enum bpf_attach_type type, __u32 id);

/* What BPF_PROG_ATTACH or BPF_LINK_CREATE attaches to: a descriptor of the thread, or
 * the index of an interface.
 */
char *attach_type_place(pid_t thread, __u32 type, __u32 target);

/* The first functions of a kprobe.multi link. */
char *functions_place(pid_t thread, __u64 names, __u32 count);

/* printf() into memory that must be freed. */
char *text_of(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
