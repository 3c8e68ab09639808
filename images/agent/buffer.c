/* SPDX-License-Identifier: Apache-2.0 */
#include "buffer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SMALLEST 256

void out_of_memory(void)
{
	fprintf(stderr, "agent: out of memory\n");
	exit(EXIT_FAILURE);
}

void *must_resize(void *memory, size_t count, size_t size)
{
	void *resized = reallocarray(memory, count ? count : 1, size);

	if (!resized)
		out_of_memory();
	return resized;
}

void buffer_reserve(struct buffer *buffer, size_t more)
{
	size_t wanted = buffer->capacity ? buffer->capacity : SMALLEST;

	while (wanted - buffer->size < more)
		wanted *= 2;
	if (wanted == buffer->capacity)
		return;
	buffer->data = must_resize(buffer->data, wanted, 1);
	buffer->capacity = wanted;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t size)
{
	if (!size)
		return;
	buffer_reserve(buffer, size);
	memcpy(buffer->data + buffer->size, bytes, size);
	buffer->size += size;
}

void buffer_free(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){0};
}
