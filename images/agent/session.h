/* SPDX-License-Identifier: Apache-2.0 */
/* A session: requests answered one by one until the end of input. */
#ifndef SESSION_H
#define SESSION_H

/* Returns the agent's exit status. */
int session(void);

#endif
