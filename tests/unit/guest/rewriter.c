/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's rewriting of instructions, as a filter for the tests.
 *
 * Each request: the number of instructions and of data sections, both 32 bits; the
 * instructions; of each section its reference and size, 32 bits each, and its bytes.
 * Each reply: whether it was rewritten and the five counts, 32 bits each, and the
 * instructions; then the number of those behind a zeroed stack, and them.
 */
#include "buffer.h"
#include "rewrite.h"

#include <stdio.h>
#include <stdlib.h>

static void must_read(void *to, size_t size)
{
	if (size && fread(to, size, 1, stdin) != 1)
		exit(2);
}

static void must_write(const void *from, size_t size)
{
	if (size && fwrite(from, size, 1, stdout) != 1)
		exit(2);
}

static void answer(uint32_t count, uint32_t data_count)
{
	struct bpf_insn *insns = must_resize(NULL, count, sizeof(*insns)), *zeroed;
	struct known_data *data = must_resize(NULL, data_count, sizeof(*data));
	struct rewrites done;
	size_t zeroed_count = count;
	uint32_t head[6];

	must_read(insns, count * sizeof(*insns));
	for (uint32_t i = 0; i < data_count; i++) {
		uint32_t size;
		unsigned char *bytes;

		must_read(&data[i].reference, sizeof(data[i].reference));
		must_read(&size, sizeof(size));
		/* Of its own, so that a read behind it is noticed. */
		bytes = must_resize(NULL, size, 1);
		must_read(bytes, size);
		data[i].bytes = bytes;
		data[i].size = size;
	}
	head[0] = rewrite(insns, count, data, data_count, &done);
	head[1] = done.reads;
	head[2] = done.addresses;
	head[3] = done.constants;
	head[4] = done.branches;
	head[5] = done.unreached;
	must_write(head, sizeof(head));
	must_write(insns, count * sizeof(*insns));
	zeroed = with_zeroed_stack(insns, &zeroed_count);
	count = (uint32_t)zeroed_count;
	must_write(&count, sizeof(count));
	must_write(zeroed, zeroed_count * sizeof(*zeroed));
	fflush(stdout);
	for (uint32_t i = 0; i < data_count; i++)
		free((void *)data[i].bytes);
	free(data);
	free(insns);
	free(zeroed);
}

int main(void)
{
	uint32_t head[2];

	while (fread(head, sizeof(head), 1, stdin) == 1)
		answer(head[0], head[1]);
	return 0;
}
