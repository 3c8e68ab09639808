/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent and its guest are. */
#ifndef HELLO_H
#define HELLO_H

#include "failure.h"

#define AGENT_VERSION "0.1.0"

/* "1.1" */
#define LIBBPF_VERSION_LENGTH 32
void libbpf_version_text(char text[LIBBPF_VERSION_LENGTH]);

json_t *hello_operation(const json_t *request, struct failure *failure);

#endif
