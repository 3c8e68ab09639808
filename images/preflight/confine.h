/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONFINE_H
#define CONFINE_H

/* Gives up all that reading standard input and writing standard output don't need, and
 * bounds memory. Returns 0, or -1 with errno.
 */
int confine_process(void);

/* Ends the process by SIGPROF after that many seconds of processor time from now. */
void confine_time(int seconds);

#endif
