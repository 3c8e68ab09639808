/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_H
#define PROBE_H

/* Says which structure of this libbpf is not what layout.h has, or returns NULL.
 *
 * layout.c compares them with libbpf's own header, which is not installed. This needs
 * none: it lets libbpf fill the structures with values that are known, and looks where
 * they are.
 */
const char *probe_layout(void);

#endif
