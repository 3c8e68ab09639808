/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that grow, and memory that is there or ends the agent. */
#ifndef BUFFER_H
#define BUFFER_H

#include <stddef.h>

struct buffer {
	unsigned char *data;
	size_t size;
	size_t capacity;
};

void buffer_append(struct buffer *buffer, const void *bytes, size_t size);
void buffer_reserve(struct buffer *buffer, size_t more);
void buffer_free(struct buffer *buffer);

/* Ends the agent, and with it all that it holds. */
_Noreturn void out_of_memory(void);

/* Like realloc(), but without memory the agent ends. */
void *must_resize(void *memory, size_t count, size_t size);

#endif
