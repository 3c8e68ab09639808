/* SPDX-License-Identifier: Apache-2.0 */
/* Places in the kernel's code and in programs, counters, and iterators. Each function
 * returns false with errno where nothing was attached.
 */
#ifndef ATTACH_PROBE_H
#define ATTACH_PROBE_H

#include "attachment.h"

bool attach_kprobe(const struct aim *aim, struct attachment *made);
bool attach_kretprobe(const struct aim *aim, struct attachment *made);
bool attach_kprobe_multi(const struct aim *aim, struct attachment *made);
bool attach_kretprobe_multi(const struct aim *aim, struct attachment *made);
bool attach_ksyscall(const struct aim *aim, struct attachment *made);
bool attach_kretsyscall(const struct aim *aim, struct attachment *made);
bool attach_tracepoint(const struct aim *aim, struct attachment *made);
bool attach_raw_tracepoint(const struct aim *aim, struct attachment *made);
bool attach_perf_event(const struct aim *aim, struct attachment *made);
bool attach_uprobe(const struct aim *aim, struct attachment *made);
bool attach_uretprobe(const struct aim *aim, struct attachment *made);
bool attach_uprobe_multi(const struct aim *aim, struct attachment *made);
bool attach_uretprobe_multi(const struct aim *aim, struct attachment *made);
bool attach_usdt(const struct aim *aim, struct attachment *made);
/* By the iterator's name and the map that it walks: "bpf_map_elem/counts". */
bool attach_iterator(const struct aim *aim, struct attachment *made);

#endif
