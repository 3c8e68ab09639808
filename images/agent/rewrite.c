/* SPDX-License-Identifier: Apache-2.0 */
#include "rewrite.h"

#include "buffer.h"
#include "helpers.h"

#include <stdlib.h>
#include <string.h>

#define STACK_SIZE 512
#define SLOT 8
#define MOST_SLOTS (STACK_SIZE / SLOT)
/* What libbpf calls in place of a relocation that it can't resolve. */
#define POISON_HELPER 0xbad2310
#define BIT(register) (1u << (register))

static const struct bpf_insn nothing = {.code = BPF_JMP | BPF_JA};

static struct bpf_insn move(uint8_t class, uint8_t to, uint64_t value)
{
	return (struct bpf_insn){.code = (uint8_t)(class | BPF_MOV | BPF_K),
				 .dst_reg = to,
				 .imm = (int32_t)value};
}

static bool is_move(const struct bpf_insn *insn)
{
	return insn->code == (BPF_ALU64 | BPF_MOV | BPF_K) ||
	       insn->code == (BPF_ALU | BPF_MOV | BPF_K);
}

static bool is_wide_number(const struct bpf_insn *insn)
{
	return is_wide(insn) && !insn->src_reg;
}

/* -------------------------------------------------------------- constants */

static bool is_jumped_to(const struct flow *flow, size_t at)
{
	for (size_t from = 0; from < flow->count; from++) {
		size_t next[2], count;

		if (!flow->before[from].reached)
			continue;
		count = flow_successors(flow, from, next);
		for (size_t i = 0; i < count; i++)
			if (next[i] == at &&
			    from + 1 + is_wide(&flow->insns[from]) != at)
				return true;
	}
	return false;
}

/* A number of 64 bits takes two places: those of the address, where that is loaded just
 * before and lost by the load.
 */
static bool widen(const struct flow *flow, struct bpf_insn *insns, size_t at,
		  uint64_t value)
{
	struct bpf_insn *address = insns + at - 2;

	if (at < 2 || !is_wide(&flow->insns[at - 2]) || is_jumped_to(flow, at) ||
	    insns[at].dst_reg != insns[at].src_reg ||
	    address->dst_reg != insns[at].src_reg)
		return false;
	address[0].src_reg = 0;
	address[0].imm = (int32_t)value;
	address[1].imm = (int32_t)(value >> 32);
	insns[at] = nothing;
	return true;
}

static bool replace_read(const struct flow *flow, struct bpf_insn *insns, size_t at,
			 uint64_t value)
{
	uint8_t to = insns[at].dst_reg;

	if (fits_immediate(value))
		insns[at] = move(BPF_ALU64, to, value);
	else if (value <= UINT32_MAX)
		insns[at] = move(BPF_ALU, to, value);
	else
		return widen(flow, insns, at, value);
	return true;
}

/* Makes every register that holds a small constant hold it by a `mov`, for only these
 * are tracked by verifiers before 4.14.
 */
static void replace_constants(const struct flow *flow, struct bpf_insn *insns,
			      struct rewrites *done)
{
	for (size_t at = 0; at < flow->count; at++) {
		struct value value;

		if (!flow->before[at].reached || is_move(&insns[at]))
			continue;
		value = flow_result(flow, at);
		if (value.kind != NUMBER)
			continue;
		if (BPF_CLASS(insns[at].code) == BPF_LDX) {
			done->reads += replace_read(flow, insns, at, value.number);
			continue;
		}
		if (!fits_immediate(value.number))
			continue;
		if (is_wide_number(&insns[at]))
			insns[at + 1] = nothing;
		insns[at] = move(BPF_ALU64, insns[at].dst_reg, value.number);
		done->constants++;
	}
}

/* --------------------------------------------------------------- branches */

/* A register whose value verifiers of all ages know here, or -1. */
static int known_register(const struct state *state, const struct bpf_insn *insn)
{
	int candidates[2 + REGISTERS] = {insn->dst_reg, insn->src_reg};

	for (int i = 0; i < REGISTERS; i++)
		candidates[2 + i] = i;
	for (size_t i = 0; i < sizeof(candidates) / sizeof(*candidates); i++) {
		struct value value = state->registers[candidates[i]];

		if (value.kind == NUMBER && fits_immediate(value.number))
			return candidates[i];
	}
	return -1;
}

static void decide_branches(const struct flow *flow, struct bpf_insn *insns,
			    struct rewrites *done)
{
	for (size_t at = 0; at < flow->count; at++) {
		const struct state *state = &flow->before[at];
		enum decision decision;
		struct bpf_insn decided;
		int known;

		if (!state->reached)
			continue;
		decision = flow_decision(flow, at);
		known = known_register(state, &insns[at]);
		if (decision == UNDECIDED || known < 0)
			continue;
		decided = (struct bpf_insn){
			.code = BPF_JMP | BPF_K |
				(decision == TAKEN ? BPF_JEQ : BPF_JNE),
			.dst_reg = (uint8_t)known & 0xf,
			.off = insns[at].off,
			.imm = (int32_t)state->registers[known].number,
		};
		if (!memcmp(&insns[at], &decided, sizeof(decided)))
			continue;
		insns[at] = decided;
		done->branches++;
	}
}

/* -------------------------------------------------------------- unreached */

static bool is_known_address(const struct flow *flow, size_t at)
{
	const struct bpf_insn *insn = &flow->insns[at];

	if (!is_wide(insn) || insn->src_reg != BPF_PSEUDO_MAP_VALUE)
		return false;
	for (size_t i = 0; i < flow->data_count; i++)
		if (flow->data[i].reference == insn->imm)
			return true;
	return false;
}

static void take_address_out(struct bpf_insn *insn)
{
	insn[0] = move(BPF_ALU64, insn[0].dst_reg, 0);
	insn[1] = nothing;
}

static void clear_unreached(const struct flow *flow, struct bpf_insn *insns,
			    struct rewrites *done)
{
	for (size_t at = 0; at < flow->count; at++) {
		bool reached = flow->before[at].reached;

		if (!reached && is_known_address(flow, at)) {
			take_address_out(&insns[at]);
			done->unreached++;
		}
		/* Functions stay called: else they would be code that nobody calls. */
		if (!reached && is_call(&insns[at]) &&
		    insns[at].src_reg != BPF_PSEUDO_CALL) {
			insns[at] = nothing;
			done->unreached++;
		}
		at += is_wide(&flow->insns[at]);
	}
}

/* --------------------------------------------------------------- liveness */

static unsigned int call_uses(const struct bpf_insn *insn)
{
	int arguments =
		insn->src_reg ? MOST_HELPER_ARGUMENTS : helper_arguments(insn->imm);

	return BIT(arguments + 1) - BIT(1);
}

static unsigned int source(const struct bpf_insn *insn)
{
	return BPF_SRC(insn->code) == BPF_X ? BIT(insn->src_reg) : 0;
}

/* Registers that an instruction reads. */
static unsigned int uses(const struct bpf_insn *insn)
{
	switch (BPF_CLASS(insn->code)) {
	case BPF_ALU:
	case BPF_ALU64:
		if (BPF_OP(insn->code) == BPF_MOV)
			return source(insn);
		return source(insn) | BIT(insn->dst_reg);
	case BPF_LDX:
		return BIT(insn->src_reg);
	case BPF_ST:
		return BIT(insn->dst_reg);
	case BPF_STX:
		return BIT(insn->dst_reg) | BIT(insn->src_reg) | BIT(0);
	case BPF_LD:
		return is_wide(insn) ? 0 : BIT(6) | BIT(insn->src_reg);
	default:
		if (is_call(insn))
			return call_uses(insn);
		if (insn->code == (BPF_JMP | BPF_EXIT))
			return BIT(0);
		if (BPF_OP(insn->code) == BPF_JA)
			return 0;
		return source(insn) | BIT(insn->dst_reg);
	}
}

/* Registers that an instruction always overwrites. */
static unsigned int defines(const struct bpf_insn *insn)
{
	switch (BPF_CLASS(insn->code)) {
	case BPF_ALU:
	case BPF_ALU64:
	case BPF_LDX:
		return BIT(insn->dst_reg);
	case BPF_LD:
		return is_wide(insn) ? BIT(insn->dst_reg) : BIT(0);
	default:
		return is_call(insn) ? BIT(6) - 1 : 0;
	}
}

/* Fills what is read after each instruction before it is overwritten. */
static void find_live(const struct flow *flow, const struct bpf_insn *insns,
		      unsigned int *live)
{
	bool changed = true;

	memset(live, 0, flow->count * sizeof(*live));
	while (changed) {
		changed = false;
		for (size_t at = flow->count; at-- > 0;) {
			size_t next[2], count;
			unsigned int after = 0;

			if (!flow->before[at].reached)
				continue;
			count = flow_successors(flow, at, next);
			for (size_t i = 0; i < count; i++)
				after |= uses(&insns[next[i]]) |
					 (live[next[i]] & ~defines(&insns[next[i]]));
			changed |= after != live[at];
			live[at] = after;
		}
	}
}

/* Takes out addresses of known data that nothing reads any more. */
static void drop_addresses(const struct flow *flow, struct bpf_insn *insns,
			   struct rewrites *done)
{
	unsigned int *live = must_resize(NULL, flow->count, sizeof(*live));
	bool changed = true;

	while (changed) {
		changed = false;
		find_live(flow, insns, live);
		for (size_t at = 0; at < flow->count; at++) {
			if (!flow->before[at].reached || is_move(&insns[at]) ||
			    is_wide_number(&insns[at]) ||
			    flow_result(flow, at).kind != DATA ||
			    live[at] & BIT(insns[at].dst_reg))
				continue;
			if (is_wide(&insns[at]))
				take_address_out(&insns[at]);
			else
				insns[at] = move(BPF_ALU64, insns[at].dst_reg, 0);
			done->addresses++;
			changed = true;
		}
	}
	free(live);
}

bool rewrite(struct bpf_insn *insns, size_t count, const struct known_data *data,
	     size_t data_count, struct rewrites *done)
{
	struct flow flow = {.count = count, .data = data, .data_count = data_count};
	struct bpf_insn *original;

	*done = (struct rewrites){0};
	if (count > MOST_REWRITTEN)
		return false;
	/* What is known is of the instructions as they were. */
	original = must_resize(NULL, count, sizeof(*original));
	memcpy(original, insns, count * sizeof(*original));
	flow.insns = original;
	if (!flow_start(&flow)) {
		free(original);
		return false;
	}
	replace_constants(&flow, insns, done);
	decide_branches(&flow, insns, done);
	clear_unreached(&flow, insns, done);
	drop_addresses(&flow, insns, done);
	flow_end(&flow);
	free(original);
	return true;
}

/* ----------------------------------------------------------------- poison */

size_t unreached_poison(const struct bpf_insn *insns, size_t count)
{
	struct flow flow = {.insns = insns, .count = count};
	size_t unreached = 0, reached = 0;

	if (count > MOST_REWRITTEN || !flow_start(&flow))
		return 0;
	for (size_t at = 0; at < count; at++) {
		if (!is_call(&insns[at]) || insns[at].src_reg ||
		    insns[at].imm != POISON_HELPER)
			continue;
		if (flow.before[at].reached)
			reached++;
		else
			unreached++;
	}
	flow_end(&flow);
	return reached ? 0 : unreached;
}

/* ------------------------------------------------------------------ stack */

/* The lowest byte, as an offset from r10, that a helper is given the address of. */
static int64_t lowest_address(const struct flow *flow)
{
	int64_t lowest = 0;

	for (size_t at = 0; at < flow->count; at++) {
		if (!flow->before[at].reached || !is_call(&flow->insns[at]))
			continue;
		for (int i = 1; i <= MOST_HELPER_ARGUMENTS; i++) {
			struct value value = flow->before[at].registers[i];
			int64_t offset = (int64_t)value.number;

			if (value.kind == FRAME && offset < lowest &&
			    offset >= -STACK_SIZE)
				lowest = offset;
		}
	}
	return lowest;
}

struct bpf_insn *with_zeroed_stack(const struct bpf_insn *insns, size_t *count)
{
	struct flow flow = {.insns = insns, .count = *count};
	size_t slots = 0;
	struct bpf_insn *copy;

	if (*count + MOST_SLOTS <= MOST_REWRITTEN && flow_start(&flow)) {
		slots = (size_t)(-lowest_address(&flow) + SLOT - 1) / SLOT;
		flow_end(&flow);
	}
	copy = must_resize(NULL, slots + *count, sizeof(*copy));
	for (size_t slot = 0; slot < slots; slot++)
		copy[slot] =
			(struct bpf_insn){.code = BPF_ST | BPF_MEM | BPF_DW,
					  .dst_reg = BPF_REG_10,
					  .off = (int16_t)(-SLOT * (int)(slot + 1))};
	memcpy(copy + slots, insns, *count * sizeof(*insns));
	*count += slots;
	return copy;
}
