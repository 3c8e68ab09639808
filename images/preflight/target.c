// SPDX-License-Identifier: Apache-2.0
#include "target.h"

#include "answer.h"
#include "load.h"

#include <string.h>

struct names target_parts[MAX_PAYLOADS];
size_t target_count;
bool target_swapped;

void target_forget(void)
{
	/* Modules first: each stands on the kernel's BTF. */
	while (target_count) {
		struct names *part = &target_parts[--target_count];
		struct btf *btf = part->btf;

		names_free(part);
		btf__free(btf);
	}
}

const struct names *target_part_of(json_int_t shown, __u32 *id)
{
	for (size_t i = 0; i < target_count; i++) {
		const struct names *part = &target_parts[i];
		json_int_t own = shown - part->shift;

		if (own < (i ? part->first : 0) || own >= btf__type_cnt(part->btf))
			continue;
		*id = own;
		return part;
	}
	return NULL;
}

json_int_t target_shown(const struct btf *btf, __u32 id)
{
	for (size_t i = 0; i < target_count; i++)
		if (target_parts[i].btf == btf)
			return names_shown(&target_parts[i], id);
	return id;
}

/* Cut BTF, for relocations only, has none. */
static bool has_functions(const struct names *names)
{
	for (__u32 id = btf__type_cnt(names->btf) - 1; id > 0; id--)
		if (kind_at(names, id) == BTF_KIND_FUNC)
			return true;
	return false;
}

/* Returns what is wrong, or NULL; `*parsed` is whether libbpf reads it nonetheless. */
static const char *take_part(const struct payload *payload, bool *parsed)
{
	struct names *part = &target_parts[target_count], *before = part - 1;
	struct btf *base = target_count ? target_parts[0].btf : NULL;
	const char *problem = NULL;
	struct btf *btf = load_btf(payload, base, &problem, parsed);

	if (!btf)
		return problem;
	*part = (struct names){.btf = btf};
	/* Behind those of the module before. */
	if (target_count > 1)
		part->shift = before->shift + btf__type_cnt(before->btf) -
			      btf__type_cnt(base);
	target_count++;
	return names_build(part, base ? btf__type_cnt(base) : 1) ? NULL
								 : "out of memory";
}

json_t *target_take(const struct request *request)
{
	const __u8 *data = request->payloads[0].data;
	const char *problem;
	const struct btf *base;
	json_t *broken;
	bool parsed;

	target_forget();
	if (!request->count)
		return answer_error("bad request");
	problem = take_part(&request->payloads[0], &parsed);
	if (problem) {
		target_forget();
		return answer_error(problem);
	}
	/* One module that does not fit costs its own types only. */
	broken = json_array();
	for (size_t i = 1; i < request->count; i++) {
		problem = take_part(&request->payloads[i], &parsed);
		if (problem)
			json_array_append_new(broken,
					      json_pack("{s:i, s:s, s:b}", "module",
							(int)i - 1, "problem", problem,
							"parsed", (int)parsed));
	}
	base = target_parts[0].btf;
	target_swapped =
		data[0] == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0xeb : 0x9f);
	return json_pack("{s:i, s:b, s:i, s:b, s:o}", "types", (int)btf__type_cnt(base),
			 "functions", has_functions(&target_parts[0]), "pointer",
			 (int)btf__pointer_size(base), "swapped", target_swapped,
			 "broken", broken);
}
