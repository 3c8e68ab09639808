/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions in a form that old kernels take, with the same meaning.
 *
 * Instructions in, instructions out; nothing here knows libbpf or a kernel.
 */
#ifndef REWRITE_H
#define REWRITE_H

#include "flow.h"

/* BPF_MAXINSNS: kernels that need any of this take no more. */
#define MOST_REWRITTEN 4096

struct rewrites {
	/* Loads from known data that became constants. */
	unsigned int reads;
	/* Addresses of known data that are no longer needed. */
	unsigned int addresses;
	/* Other instructions that became `mov reg, constant`. */
	unsigned int constants;
	/* Conditional jumps that always go one way, in the form that old verifiers see
	 * through: JEQ that is taken, or JNE that is not, against an equal constant.
	 */
	unsigned int branches;
	/* Calls and ldimm64 that are never reached, which kernels before 4.15 look at
	 * all the same: poison, helpers of newer kernels, global data.
	 */
	unsigned int unreached;
};

/* Rewrites in place; instructions keep their places. False when the stream was left as
 * it was: it is malformed, or too long.
 */
bool rewrite(struct bpf_insn *insns, size_t count, const struct known_data *data,
	     size_t data_count, struct rewrites *done);

/* How many instructions are libbpf's poison for what a kernel lacks; 0 when one of them
 * can be reached, or the stream is malformed or too long.
 */
size_t unreached_poison(const struct bpf_insn *insns, size_t count);

/* Copies the instructions behind stores of zero to all of the stack that a helper may
 * be given the address of: before 4.7 (435faee1aae9) a helper's buffer had to be
 * initialised even where it is only written. Returns the copy, to be freed; `*count`
 * grows.
 */
struct bpf_insn *with_zeroed_stack(const struct bpf_insn *insns, size_t *count);

#endif
