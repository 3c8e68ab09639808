/* SPDX-License-Identifier: Apache-2.0 */
/* What this asks, and how that differs from runner/preflight/reach.py: see flow.h. */
#include "flow.h"

#include "buffer.h"

#include <stdlib.h>
#include <string.h>

#define FRAME_POINTER 10
/* Flags of operations that kernels of 6.6 and later know: sign extension, signed
 * division, long jumps.
 */
#define IS_PLAIN(insn) ((insn)->off == 0)
#define MAY_GOTO 0xe0

bool is_wide(const struct bpf_insn *insn)
{
	return insn->code == (BPF_LD | BPF_IMM | BPF_DW);
}

bool is_call(const struct bpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_CALL);
}

static bool is_exit(const struct bpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_EXIT);
}

static bool is_jump_class(const struct bpf_insn *insn)
{
	uint8_t class = BPF_CLASS(insn->code);

	return class == BPF_JMP || class == BPF_JMP32;
}

static bool is_always(const struct bpf_insn *insn)
{
	return is_jump_class(insn) && BPF_OP(insn->code) == BPF_JA;
}

bool is_conditional_jump(const struct bpf_insn *insn)
{
	return is_jump_class(insn) && !is_always(insn) && !is_call(insn) &&
	       !is_exit(insn);
}

bool fits_immediate(uint64_t number)
{
	return number == (uint64_t)(int64_t)(int32_t)number;
}

/* Where a jump, or a call or address of a function of this program, leads. */
static int64_t target(const struct bpf_insn *insn, size_t at)
{
	bool by_immediate =
		is_call(insn) || is_wide(insn) || insn->code == (BPF_JMP32 | BPF_JA);

	return (int64_t)at + 1 + (by_immediate ? insn->imm : insn->off);
}

static bool enters_function(const struct bpf_insn *insn)
{
	return (is_call(insn) && insn->src_reg == BPF_PSEUDO_CALL) ||
	       (is_wide(insn) && insn->src_reg == BPF_PSEUDO_FUNC);
}

/* ------------------------------------------------------------------ shape */

static bool is_start(const struct flow *flow, int64_t at)
{
	return at >= 0 && at < (int64_t)flow->count &&
	       !(at > 0 && is_wide(&flow->insns[at - 1]));
}

/* Whether all that can follow an instruction is one. */
static bool leads_to_instructions(const struct flow *flow, size_t at)
{
	const struct bpf_insn *insn = &flow->insns[at];
	bool jumps = is_always(insn) || is_conditional_jump(insn);

	if ((jumps || enters_function(insn)) && !is_start(flow, target(insn, at)))
		return false;
	if (is_always(insn) || is_exit(insn))
		return true;
	return is_start(flow, (int64_t)at + 1 + is_wide(insn));
}

static bool is_well_formed(const struct flow *flow)
{
	for (size_t at = 0; at < flow->count; at++) {
		const struct bpf_insn *insn = &flow->insns[at];

		if (insn->dst_reg >= REGISTERS || insn->src_reg >= REGISTERS)
			return false;
		if (!is_wide(insn)) {
			if (!leads_to_instructions(flow, at))
				return false;
			continue;
		}
		/* The second half has no code of its own. */
		if (at + 1 == flow->count || insn[1].code ||
		    !leads_to_instructions(flow, at))
			return false;
		at++;
	}
	return flow->count > 0;
}

/* ------------------------------------------------------------- arithmetic */

static struct value number(uint64_t value)
{
	return (struct value){.kind = NUMBER, .number = value};
}

static const struct value anything = {.kind = ANYTHING};

/* Of 64 or 32 `bits`; 32 bits are given zero-extended. False for what kernels do not
 * agree on, such as division by zero and too wide shifts.
 */
static bool computed(uint8_t operation, unsigned int bits, uint64_t a, uint64_t b,
		     uint64_t *result)
{
	switch (operation) {
	case BPF_ADD:
		*result = a + b;
		return true;
	case BPF_SUB:
		*result = a - b;
		return true;
	case BPF_MUL:
		*result = a * b;
		return true;
	case BPF_DIV:
		*result = b ? a / b : 0;
		return b != 0;
	case BPF_MOD:
		*result = b ? a % b : 0;
		return b != 0;
	case BPF_OR:
		*result = a | b;
		return true;
	case BPF_AND:
		*result = a & b;
		return true;
	case BPF_XOR:
		*result = a ^ b;
		return true;
	case BPF_LSH:
		*result = b < bits ? a << b : 0;
		return b < bits;
	case BPF_RSH:
		*result = b < bits ? a >> b : 0;
		return b < bits;
	case BPF_ARSH:
		if (b >= bits)
			return false;
		*result = bits == 64 ? (uint64_t)((int64_t)a >> b)
				     : (uint64_t)((int32_t)a >> b);
		return true;
	case BPF_NEG:
		*result = -a;
		return true;
	case BPF_MOV:
		*result = b;
		return true;
	default:
		return false;
	}
}

/* The right-hand side of an operation or a comparison. */
static struct value operand(const struct state *state, const struct bpf_insn *insn)
{
	if (BPF_SRC(insn->code) == BPF_X)
		return state->registers[insn->src_reg];
	return number((uint64_t)(int64_t)insn->imm);
}

static bool is_address(struct value value)
{
	return value.kind == DATA || value.kind == FRAME;
}

static struct value calculated(const struct state *state, const struct bpf_insn *insn)
{
	bool is_64 = BPF_CLASS(insn->code) == BPF_ALU64;
	uint8_t operation = BPF_OP(insn->code);
	struct value left = state->registers[insn->dst_reg];
	struct value right = operand(state, insn);
	uint64_t mask = is_64 ? UINT64_MAX : UINT32_MAX, result;

	if (!IS_PLAIN(insn) || operation == BPF_END)
		return anything;
	if (is_64 && operation == BPF_MOV)
		return right;
	if (is_64 && is_address(left) && right.kind == NUMBER &&
	    (operation == BPF_ADD || operation == BPF_SUB)) {
		left.number += operation == BPF_ADD ? right.number : -right.number;
		return left;
	}
	/* These do not look at one of their sides. */
	if (operation == BPF_MOV)
		left = number(0);
	if (operation == BPF_NEG)
		right = number(0);
	if (left.kind != NUMBER || right.kind != NUMBER ||
	    !computed(operation, is_64 ? 64 : 32, left.number & mask,
		      right.number & mask, &result))
		return anything;
	return number(result & mask);
}

/* ------------------------------------------------------------------- data */

static struct value pointed_to(const struct flow *flow, const struct bpf_insn *insn)
{
	for (size_t i = 0; i < flow->data_count; i++)
		if (flow->data[i].reference == insn[0].imm)
			return (struct value){.kind = DATA,
					      .section = (uint32_t)i,
					      .number = (uint32_t)insn[1].imm};
	return anything;
}

static struct value wide_value(const struct flow *flow, const struct bpf_insn *insn)
{
	if (insn->src_reg == BPF_PSEUDO_MAP_VALUE)
		return pointed_to(flow, insn);
	if (insn->src_reg)
		return anything;
	return number((uint64_t)(uint32_t)insn[1].imm << 32 | (uint32_t)insn[0].imm);
}

/* Reads a number of this machine's byte order. */
static uint64_t read_number(const unsigned char *bytes, size_t size)
{
	union {
		uint8_t of_1;
		uint16_t of_2;
		uint32_t of_4;
		uint64_t of_8;
	} found = {0};

	memcpy(&found, bytes, size);
	switch (size) {
	case 1:
		return found.of_1;
	case 2:
		return found.of_2;
	case 4:
		return found.of_4;
	default:
		return found.of_8;
	}
}

static struct value loaded(const struct flow *flow, const struct state *state,
			   const struct bpf_insn *insn)
{
	static const size_t sizes[] = {[BPF_B >> 3] = 1,
				       [BPF_H >> 3] = 2,
				       [BPF_W >> 3] = 4,
				       [BPF_DW >> 3] = 8};
	size_t size = sizes[BPF_SIZE(insn->code) >> 3];
	struct value address = state->registers[insn->src_reg];
	const struct known_data *data;
	uint64_t start;

	if (address.kind != DATA || BPF_MODE(insn->code) != BPF_MEM)
		return anything;
	data = &flow->data[address.section];
	start = address.number + (uint64_t)(int64_t)insn->off;
	if (start > data->size || data->size - start < size)
		return anything;
	return number(read_number(data->bytes + start, size));
}

struct value flow_result(const struct flow *flow, size_t at)
{
	const struct bpf_insn *insn = &flow->insns[at];
	const struct state *state = &flow->before[at];

	switch (BPF_CLASS(insn->code)) {
	case BPF_ALU:
	case BPF_ALU64:
		return calculated(state, insn);
	case BPF_LDX:
		return loaded(flow, state, insn);
	case BPF_LD:
		return is_wide(insn) ? wide_value(flow, insn) : anything;
	default:
		return anything;
	}
}

/* --------------------------------------------------------------- decision */

static bool holds(uint8_t operation, uint64_t a, uint64_t b, int64_t signed_a,
		  int64_t signed_b)
{
	switch (operation) {
	case BPF_JEQ:
		return a == b;
	case BPF_JNE:
		return a != b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	case BPF_JLT:
		return a < b;
	case BPF_JLE:
		return a <= b;
	case BPF_JSET:
		return (a & b) != 0;
	case BPF_JSGT:
		return signed_a > signed_b;
	case BPF_JSGE:
		return signed_a >= signed_b;
	case BPF_JSLT:
		return signed_a < signed_b;
	default:
		return signed_a <= signed_b;
	}
}

enum decision flow_decision(const struct flow *flow, size_t at)
{
	const struct bpf_insn *insn = &flow->insns[at];
	const struct state *state = &flow->before[at];
	struct value left = state->registers[insn->dst_reg];
	struct value right = operand(state, insn);
	uint8_t operation = BPF_OP(insn->code);
	bool goes;

	if (!is_conditional_jump(insn) || operation == MAY_GOTO ||
	    left.kind != NUMBER || right.kind != NUMBER)
		return UNDECIDED;
	if (BPF_CLASS(insn->code) == BPF_JMP)
		goes = holds(operation, left.number, right.number, (int64_t)left.number,
			     (int64_t)right.number);
	else
		goes = holds(operation, (uint32_t)left.number, (uint32_t)right.number,
			     (int32_t)left.number, (int32_t)right.number);
	return goes ? TAKEN : NOT_TAKEN;
}

size_t flow_successors(const struct flow *flow, size_t at, size_t successors[2])
{
	const struct bpf_insn *insn = &flow->insns[at];
	enum decision decision = flow_decision(flow, at);
	size_t count = 0;

	if (is_exit(insn))
		return 0;
	if (is_always(insn) || (is_conditional_jump(insn) && decision != NOT_TAKEN))
		successors[count++] = (size_t)target(insn, at);
	if (!is_always(insn) && decision != TAKEN)
		successors[count++] = at + 1 + is_wide(insn);
	return count;
}

/* ------------------------------------------------------------ propagation */

static void forget(struct state *state, int first, int last)
{
	for (int i = first; i <= last; i++)
		state->registers[i] = anything;
}

/* An atomic operation that gives back what was there, or one that is not known. */
static bool fetches(const struct bpf_insn *insn)
{
	static const int32_t plain[] = {BPF_ADD, BPF_OR, BPF_AND, BPF_XOR};

	if (BPF_MODE(insn->code) != BPF_ATOMIC)
		return false;
	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		if (insn->imm == plain[i])
			return false;
	return true;
}

static struct state after(const struct flow *flow, size_t at)
{
	const struct bpf_insn *insn = &flow->insns[at];
	struct state state = flow->before[at];

	switch (BPF_CLASS(insn->code)) {
	case BPF_ALU:
	case BPF_ALU64:
	case BPF_LDX:
		state.registers[insn->dst_reg] = flow_result(flow, at);
		break;
	case BPF_LD:
		if (is_wide(insn))
			state.registers[insn->dst_reg] = flow_result(flow, at);
		else
			forget(&state, 0, 5);
		break;
	case BPF_STX:
		if (fetches(insn)) {
			forget(&state, 0, 0);
			state.registers[insn->src_reg] = anything;
			state.registers[insn->dst_reg] = anything;
		}
		break;
	case BPF_JMP:
		if (is_call(insn))
			forget(&state, 0, 5);
		break;
	default:
		break;
	}
	return state;
}

struct work {
	size_t *waiting;
	size_t count;
	bool *is_waiting;
};

static void add_work(struct work *work, size_t at)
{
	if (work->is_waiting[at])
		return;
	work->is_waiting[at] = true;
	work->waiting[work->count++] = at;
}

static bool same(struct value a, struct value b)
{
	return a.kind == b.kind &&
	       (a.kind == ANYTHING || (a.number == b.number && a.section == b.section));
}

/* Joins what is known on a path to `at` with what is known on the others. */
static void flow_into(struct flow *flow, struct work *work, size_t at,
		      const struct state *state)
{
	struct state *known = &flow->before[at];
	bool changed = !known->reached;

	if (changed) {
		*known = *state;
		known->reached = true;
	}
	for (int i = 0; i < REGISTERS; i++) {
		if (same(known->registers[i], state->registers[i]) ||
		    known->registers[i].kind == ANYTHING)
			continue;
		known->registers[i] = anything;
		changed = true;
	}
	if (changed)
		add_work(work, at);
}

static void flow_into_function(struct flow *flow, struct work *work, size_t at)
{
	struct state entry = {0};

	entry.registers[FRAME_POINTER].kind = FRAME;
	flow_into(flow, work, at, &entry);
}

bool flow_start(struct flow *flow)
{
	struct work work = {0};

	flow->before = NULL;
	if (!is_well_formed(flow))
		return false;
	flow->before = must_resize(NULL, flow->count, sizeof(*flow->before));
	memset(flow->before, 0, flow->count * sizeof(*flow->before));
	work.waiting = must_resize(NULL, flow->count, sizeof(*work.waiting));
	work.is_waiting = must_resize(NULL, flow->count, sizeof(*work.is_waiting));
	memset(work.is_waiting, 0, flow->count * sizeof(*work.is_waiting));
	flow_into_function(flow, &work, 0);
	while (work.count) {
		size_t at = work.waiting[--work.count], next[2];
		struct state state = after(flow, at);
		size_t count = flow_successors(flow, at, next);

		work.is_waiting[at] = false;
		if (enters_function(&flow->insns[at]))
			flow_into_function(flow, &work,
					   (size_t)target(&flow->insns[at], at));
		for (size_t i = 0; i < count; i++)
			flow_into(flow, &work, next[i], &state);
	}
	free(work.waiting);
	free(work.is_waiting);
	return true;
}

void flow_end(struct flow *flow)
{
	free(flow->before);
	flow->before = NULL;
}
