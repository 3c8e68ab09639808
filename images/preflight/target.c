// SPDX-License-Identifier: Apache-2.0
#include "target.h"

#include "answer.h"
#include "load.h"

#include <string.h>

struct target target;

void forget_target(void)
{
	names_free(&target.names);
	for (size_t i = 0; i < target.module_count; i++) {
		names_free(&target.module_names[i]);
		btf__free(target.modules[i]);
	}
	btf__free(target.base);
	memset(&target, 0, sizeof(target));
}

/* Cut BTF, for relocations only, has none. */
static bool has_functions(const struct names *names)
{
	for (__u32 id = btf__type_cnt(names->btf) - 1; id > 0; id--)
		if (kind_at(names, id) == BTF_KIND_FUNC)
			return true;
	return false;
}

/* Returns what is wrong, or NULL. */
static const char *take_base(const struct payload *payload)
{
	const char *problem = NULL;

	target.base = load_btf(payload, NULL, &problem);
	if (target.base && !names_build(&target.names, target.base, 1))
		return "out of memory";
	return problem;
}

static const char *take_module(const struct payload *payload)
{
	size_t number = target.module_count;
	const char *problem = NULL;

	target.modules[number] = load_btf(payload, target.base, &problem);
	if (!target.modules[number])
		return problem;
	target.module_count++;
	if (!names_build(&target.module_names[number], target.modules[number],
			 btf__type_cnt(target.base)))
		return "out of memory";
	return NULL;
}

json_t *take_target(const struct request *request)
{
	const __u8 *data = request->payloads[0].data;
	const char *problem;

	forget_target();
	if (!request->count)
		return error("bad request");
	problem = take_base(&request->payloads[0]);
	for (size_t i = 1; i < request->count && !problem; i++)
		problem = take_module(&request->payloads[i]);
	if (problem) {
		forget_target();
		return error(problem);
	}
	return json_pack(
		"{s:i, s:b, s:i, s:b}", "types", (int)btf__type_cnt(target.base),
		"functions", has_functions(&target.names), "pointer",
		(int)btf__pointer_size(target.base), "swapped",
		data[0] == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0xeb : 0x9f));
}
