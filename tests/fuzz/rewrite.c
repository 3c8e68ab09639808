// SPDX-License-Identifier: Apache-2.0
/* Instructions for the agent's rewriting, as libFuzzer makes them: the number of data
 * sections, of each its reference and size, 32 bits each, and its bytes; then the
 * instructions.
 */
#include <stdlib.h>
#include <string.h>

#include "rewrite.h"

#define MOST_SECTIONS 4

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size);

struct input {
	const __u8 *data;
	size_t size;
};

/* Copies what is there, and zeros behind it. */
static void take(struct input *input, void *to, size_t size)
{
	size_t there = size < input->size ? size : input->size;

	memset(to, 0, size);
	memcpy(to, input->data, there);
	input->data += there;
	input->size -= there;
}

/* Of its own, so that a read behind it is noticed. */
static void *taken(struct input *input, size_t size)
{
	void *made = calloc(1, size ? size : 1);

	if (!made)
		abort();
	take(input, made, size);
	return made;
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
	struct input input = {data, size};
	struct known_data sections[MOST_SECTIONS];
	struct bpf_insn *insns, *zeroed;
	struct rewrites done;
	size_t count, zeroed_count;
	__u8 known;

	take(&input, &known, sizeof(known));
	known %= MOST_SECTIONS + 1;
	for (size_t i = 0; i < known; i++) {
		__u32 told;

		take(&input, &sections[i].reference, sizeof(sections[i].reference));
		take(&input, &told, sizeof(told));
		sections[i].size = told < input.size ? told : input.size;
		sections[i].bytes = taken(&input, sections[i].size);
	}
	count = zeroed_count = input.size / sizeof(*insns);
	insns = taken(&input, count * sizeof(*insns));
	unreached_poison(insns, count);
	rewrite(insns, count, sections, known, &done);
	zeroed = with_zeroed_stack(insns, &zeroed_count);
	free(zeroed);
	free(insns);
	for (size_t i = 0; i < known; i++)
		free((void *)sections[i].bytes);
	return 0;
}
