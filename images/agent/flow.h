/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of registers before each instruction, and which instructions are
 * reached at all: conditional constant propagation over a program's whole stream.
 *
 * runner/preflight/reach.py follows constants, too, and answers another question. This
 * asks what holds on every path, so that the agent may rewrite an instruction before it
 * is loaded, and must never claim too much. That one asks which instructions a kernel's
 * verifier walks after relocation, path by path, as a prediction.
 */
#ifndef FLOW_H
#define FLOW_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REGISTERS 11

/* A data section that nothing changes, whose bytes are known before programs load. */
struct known_data {
	/* What instructions name it by: the first imm of a ldimm64 whose src_reg is
	 * BPF_PSEUDO_MAP_VALUE. The second imm is an offset in it.
	 */
	int32_t reference;
	const unsigned char *bytes;
	size_t size;
};

enum kind {
	ANYTHING,
	/* `number` on every path. */
	NUMBER,
	/* The address of byte `number` of a known data section. */
	DATA,
	/* r10 plus `number`. */
	FRAME,
};

struct value {
	enum kind kind;
	uint32_t section;
	uint64_t number;
};

struct state {
	bool reached;
	struct value registers[REGISTERS];
};

enum decision { UNDECIDED, TAKEN, NOT_TAKEN };

struct flow {
	const struct bpf_insn *insns;
	size_t count;
	const struct known_data *data;
	size_t data_count;
	/* Before each instruction. */
	struct state *before;
};

/* Fills `before`; false when the stream is none that a kernel would take. */
bool flow_start(struct flow *flow);
void flow_end(struct flow *flow);

/* What a reached instruction writes to its dst_reg; ANYTHING where it writes none. */
struct value flow_result(const struct flow *flow, size_t at);

/* How a reached conditional jump always goes. */
enum decision flow_decision(const struct flow *flow, size_t at);

/* The instructions that may follow a reached one; returns how many, 2 at most. */
size_t flow_successors(const struct flow *flow, size_t at, size_t successors[2]);

/* What an instruction is. */
bool is_wide(const struct bpf_insn *insn);
bool is_call(const struct bpf_insn *insn);
bool is_conditional_jump(const struct bpf_insn *insn);
bool fits_immediate(uint64_t number);

#endif
