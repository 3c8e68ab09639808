/* SPDX-License-Identifier: Apache-2.0 */
/* What the other side asks. */
#ifndef REQUEST_H
#define REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>
#include <linux/types.h>

/* Zeros behind each payload: libbpf looks at the first element of an enumeration that
 * may have none.
 */
#define PADDING 64

#define MAX_PAYLOADS 257

struct payload {
	__u8 *data;
	size_t size;
};

struct request {
	json_t *json;
	struct payload payloads[MAX_PAYLOADS];
	size_t count;
};

/* Reads one; false means that the other side is gone or wrong. */
bool request_read(struct request *request);
void request_forget(struct request *request);

#endif
