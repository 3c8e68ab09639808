/* SPDX-License-Identifier: Apache-2.0 */
/* bpf(2) as the host asks for it, to find out what the kernel has. */
#ifndef BPF_CALLS_H
#define BPF_CALLS_H

#include "failure.h"

/* Makes calls one after the other. What they give stays open until all are made. */
json_t *bpf_operation(const json_t *request, struct failure *failure);

#endif
