/* SPDX-License-Identifier: Apache-2.0 */
/* Where an object's programs take the address of its read-only data.
 *
 * libbpf 1.1 overwrites such an instruction whole on kernels without global data, so
 * that what it was must be read from the object itself.
 */
#ifndef REFERENCES_H
#define REFERENCES_H

#include "buffer.h"

#include <stdint.h>

struct reference {
	/* A function, and the number of the ldimm64 in it. */
	char *function;
	size_t at;
	uint8_t dst_reg;
	/* In the data section. */
	uint32_t offset;
};

struct references {
	struct reference *rows;
	size_t count;
};

/* Finds none in what is no object. */
void references_read(struct references *references, const struct buffer *image);
void references_free(struct references *references);

/* NULL when the instruction is none that takes an address. */
const struct reference *reference_at(const struct references *references,
				     const char *function, size_t at);

#endif
