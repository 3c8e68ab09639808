/* SPDX-License-Identifier: Apache-2.0 */
/* Packets and connections over the guest's loopback, for programs that see them. */
#ifndef NETWORK_H
#define NETWORK_H

#include "failure.h"

json_t *udp_operation(const json_t *request, struct failure *failure);
json_t *tcp_operation(const json_t *request, struct failure *failure);

#endif
