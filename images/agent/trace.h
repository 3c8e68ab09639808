/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a loader and keeps what it hands to the kernel. */
#ifndef TRACE_H
#define TRACE_H

/* Runs a command, `arguments` with a NULL at its end, to its end; returns its exit
 * status. Of each program that it loads, the instructions stay as the kernel got them,
 * before its verifier rewrites them: in HANDED_FOLDER, under the program's id. Kernels
 * before 4.20 do not tell the id, so that nothing is kept there.
 */
int trace(char *const *arguments);

#endif
