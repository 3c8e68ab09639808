/* SPDX-License-Identifier: Apache-2.0 */
/* Places of the network: interfaces, network namespaces, hooks of netfilter, sockets.
 * Each function returns false with errno where nothing was attached.
 */
#ifndef ATTACH_NETWORK_H
#define ATTACH_NETWORK_H

#include "attachment.h"

bool attach_tc(const struct aim *aim, struct attachment *made);
bool attach_tcx(const struct aim *aim, struct attachment *made);
bool attach_netkit(const struct aim *aim, struct attachment *made);
bool attach_xdp(const struct aim *aim, struct attachment *made);
bool attach_netfilter(const struct aim *aim, struct attachment *made);
/* By a file of the namespace, without its first slash; without one the agent's own. */
bool attach_netns(const struct aim *aim, struct attachment *made);
/* By the name of a map of sockets, and behind a slash how the program is called. */
bool attach_sockmap(const struct aim *aim, struct attachment *made);

#endif
