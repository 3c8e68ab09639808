/* SPDX-License-Identifier: Apache-2.0 */
#include "compat.h"

#include "log.h"
#include "references.h"
#include "rewrite.h"

#include <errno.h>
#include <linux/version.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* What libbpf puts in place of addresses in maps that are not created; the map's number
 * is added.
 */
#define MAP_POISON 2001000000
#define MAP_POISON_END 2002000000
/* libbpf does not poison addresses of .kconfig: they carry the descriptor of a map that
 * is not created, which is this one up to 1.3.
 */
#define KCONFIG_REFERENCE (-1)
/* Of the map with number 0; those of the next go down from here. */
#define FIRST_REFERENCE (-2)

struct compat {
	struct references references;
	/* Sections that the kernel has no maps for, and whose content is settled. */
	struct known_data *data;
	size_t data_count;
};

/* What is being loaded, for __wrap_bpf_prog_load(). */
static struct {
	struct compat *compat;
	struct bpf_object *bpf;
	/* Of which the log already tells: libbpf tries again to get the verifier's log.
	 */
	const struct bpf_program *told;
} loading;

struct compat *compat_open(const struct buffer *image)
{
	struct compat *compat = must_resize(NULL, 1, sizeof(*compat));

	*compat = (struct compat){0};
	references_read(&compat->references, image);
	return compat;
}

void compat_close(struct compat *compat)
{
	if (!compat)
		return;
	references_free(&compat->references);
	free(compat->data);
	free(compat);
}

/* ------------------------------------------------------------------- data */

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), wanted = strlen(end);

	return length >= wanted && !strcmp(text + length - wanted, end);
}

/* The reference of a section whose content is settled before programs load; 0 for other
 * maps. libbpf names the first of them "object.rodata", and others ".rodata.more".
 */
static int32_t reference_of(const struct bpf_map *map, int32_t number)
{
	const char *name = bpf_map__name(map);

	if (!bpf_map__is_internal(map) || bpf_map__autocreate(map))
		return 0;
	if (ends_with(name, ".kconfig"))
		return KCONFIG_REFERENCE;
	if (ends_with(name, ".rodata") || !strncmp(name, ".rodata.", 8))
		return FIRST_REFERENCE - number;
	return 0;
}

/* On kernels with global data there is nothing to be done: the maps are there. */
static void collect_data(struct compat *compat, const struct bpf_object *bpf)
{
	struct bpf_map *map;
	int32_t number = 0;

	compat->data_count = 0;
	bpf_object__for_each_map (map, bpf) {
		struct known_data data = {.reference = reference_of(map, number++)};

		if (!data.reference)
			continue;
		data.bytes = bpf_map__initial_value(map, &data.size);
		if (!data.bytes)
			continue;
		compat->data = must_resize(compat->data, compat->data_count + 1,
					   sizeof(*compat->data));
		compat->data[compat->data_count++] = data;
	}
}

static bool is_map_poison(const struct bpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_CALL) && !insn->src_reg &&
	       insn->imm >= MAP_POISON && insn->imm < MAP_POISON_END;
}

static bool is_known(const struct compat *compat, int32_t reference)
{
	for (size_t i = 0; i < compat->data_count; i++)
		if (compat->data[i].reference == reference)
			return true;
	return false;
}

static bool creates_data(const struct bpf_object *bpf)
{
	struct bpf_map *map;

	bpf_object__for_each_map (map, bpf)
		if (bpf_map__is_internal(map) && bpf_map__autocreate(map))
			return true;
	return false;
}

/* From 1.4 on .kconfig's descriptor is one that libbpf set aside when it opened the
 * object. No other address is left where no map of data is created.
 */
static void name_kconfig(struct bpf_insn *insns, size_t count)
{
	if (creates_data(loading.bpf))
		return;
	for (size_t at = 0; at + 1 < count; at++) {
		if (!is_wide(&insns[at]))
			continue;
		if (insns[at].src_reg == BPF_PSEUDO_MAP_VALUE)
			insns[at].imm = KCONFIG_REFERENCE;
		at++;
	}
}

/* Turns libbpf's poison back into the addresses that it was, where they are of known
 * data.
 */
static void restore_addresses(const struct compat *compat,
			      const struct bpf_program *program, struct bpf_insn *insns,
			      size_t count)
{
	for (size_t at = 0; at + 1 < count; at++) {
		const struct reference *reference;
		int32_t name;

		if (!is_map_poison(&insns[at]) || !is_map_poison(&insns[at + 1]))
			continue;
		name = FIRST_REFERENCE - (insns[at].imm - MAP_POISON);
		reference = reference_at(&compat->references,
					 bpf_program__name(program), at);
		if (!reference || !is_known(compat, name))
			continue;
		insns[at] = (struct bpf_insn){.code = BPF_LD | BPF_IMM | BPF_DW,
					      .dst_reg = reference->dst_reg & 0xf,
					      .src_reg = BPF_PSEUDO_MAP_VALUE,
					      .imm = name};
		insns[at + 1] = (struct bpf_insn){.imm = (int32_t)reference->offset};
		at++;
	}
}

/* Puts the poison back in place of addresses that are needed all the same. */
static void poison_addresses(struct bpf_insn *insns, size_t count)
{
	for (size_t at = 0; at + 1 < count; at++) {
		struct bpf_insn poison = {.code = BPF_JMP | BPF_CALL};

		if (!is_wide(&insns[at]))
			continue;
		if (insns[at].src_reg == BPF_PSEUDO_MAP_VALUE &&
		    insns[at].imm <= FIRST_REFERENCE) {
			poison.imm = MAP_POISON + FIRST_REFERENCE - insns[at].imm;
			insns[at] = insns[at + 1] = poison;
		}
		at++;
	}
}

/* ------------------------------------------------------------------- load */

/* By the version, for no kernel tells it in a cheaper way; where a distribution has
 * 435faee1aae9 in an older kernel, the stores do no harm.
 */
static bool kernel_wants_zeroed_buffers(void)
{
	unsigned int major, minor;
	struct utsname system;

	return !uname(&system) &&
	       sscanf(system.release, "%u.%u", &major, &minor) == 2 &&
	       KERNEL_VERSION(major, minor, 0) < KERNEL_VERSION(4, 7, 0);
}

static void tell(const struct bpf_program *program, const struct rewrites *done,
		 size_t stores)
{
	if (loading.told == program)
		return;
	loading.told = program;
	log_add("compat: prog '%s': %u branches decided, %u unreached calls and "
		"addresses removed, %u constants moved, %u reads of data and %u "
		"addresses of it replaced, %zu stack slots zeroed",
		bpf_program__name(program), done->branches, done->unreached,
		done->constants, done->reads, done->addresses, stores);
}

/* What to load in place of a program's instructions; to be freed. */
static struct bpf_insn *prepared(struct compat *compat,
				 const struct bpf_program *program,
				 const struct bpf_insn *insns, size_t *count)
{
	struct bpf_insn *copy = must_resize(NULL, *count, sizeof(*copy)), *zeroed;
	struct rewrites done;
	size_t before = *count;

	memcpy(copy, insns, *count * sizeof(*copy));
	name_kconfig(copy, *count);
	restore_addresses(compat, program, copy, *count);
	rewrite(copy, *count, compat->data, compat->data_count, &done);
	poison_addresses(copy, *count);
	if (kernel_wants_zeroed_buffers()) {
		zeroed = with_zeroed_stack(copy, count);
		free(copy);
		copy = zeroed;
	}
	tell(program, &done, *count - before);
	return copy;
}

/* The program that libbpf loads, known by its instructions: libbpf also loads programs
 * of its own, to see what the kernel can do.
 */
static const struct bpf_program *loaded_program(const struct bpf_insn *insns)
{
	struct bpf_program *program;

	if (!loading.bpf)
		return NULL;
	bpf_object__for_each_program (program, loading.bpf)
		if (bpf_program__insns(program) == insns)
			return program;
	return NULL;
}

/* For users whose loader is plain libbpf: what it was that the verifier did not see. */
static void tell_of_guards(const struct bpf_program *program,
			   const struct bpf_insn *insns, size_t count)
{
	size_t poison = unreached_poison(insns, count);

	if (poison && loading.told != program)
		log_add("agent: prog '%s': none of its %zu poisoned instructions is "
			"ever "
			"reached",
			bpf_program__name(program), poison);
	loading.told = program;
}

int __wrap_bpf_prog_load(enum bpf_prog_type type, const char *name, const char *license,
			 const struct bpf_insn *insns, size_t count,
			 const struct bpf_prog_load_opts *options)
{
	const struct bpf_program *program = loaded_program(insns);
	struct bpf_insn *ours = NULL;
	int descriptor, error;

	if (program && loading.compat) {
		collect_data(loading.compat, loading.bpf);
		ours = prepared(loading.compat, program, insns, &count);
	}
	descriptor = __real_bpf_prog_load(type, name, license, ours ? ours : insns,
					  count, options);
	/* libbpf looks at it. */
	error = errno;
	if (program && descriptor < 0)
		tell_of_guards(program, ours ? ours : insns, count);
	free(ours);
	errno = error;
	return descriptor;
}

/* Whether a program may take an address in a map of data, as kernels from 5.2 on let
 * it: an array's, which has a value of the right size.
 */
static bool kernel_has_global_data(void)
{
	struct bpf_insn insns[] = {
		{.code = BPF_LD | BPF_IMM | BPF_DW,
		 .dst_reg = BPF_REG_1,
		 .src_reg = BPF_PSEUDO_MAP_VALUE},
		{.imm = 0},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, NULL, sizeof(int), 8, 1, NULL);
	int program;

	if (map < 0)
		return true;
	insns[0].imm = map;
	program = __real_bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, NULL, "GPL", insns,
				       sizeof(insns) / sizeof(*insns), NULL);
	close(map);
	if (program >= 0)
		close(program);
	return program >= 0;
}

/* From 1.4 on libbpf finds out that a kernel can't have maps of data once it has put
 * their addresses into programs. It is told before, and poisons them as it did.
 */
static void leave_out_data(struct bpf_object *bpf)
{
	struct bpf_map *map;

	if (kernel_has_global_data())
		return;
	bpf_object__for_each_map (map, bpf)
		if (bpf_map__is_internal(map))
			bpf_map__set_autocreate(map, false);
}

int compat_load(struct compat *compat, struct bpf_object *bpf)
{
	int error;

	if (compat)
		leave_out_data(bpf);
	loading.compat = compat;
	loading.bpf = bpf;
	error = bpf_object__load(bpf);
	memset(&loading, 0, sizeof(loading));
	return error;
}
