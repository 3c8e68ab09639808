// SPDX-License-Identifier: Apache-2.0
#include "serve.h"

#include <string.h>

#include "answer.h"
#include "contents.h"
#include "lookup.h"
#include "object.h"
#include "relocate.h"
#include "target.h"

static const struct {
	const char *op;
	json_t *(*serve)(const struct request *request);
} services[] = {
	{"object", object_take},
	{"names", contents_names},
	{"contents", contents_take},
	{"target", target_take},
	{"relocate", relocate_object},
	{"find", lookup_find},
	{"functions", lookup_functions},
	{"prototypes", lookup_prototypes},
	{"near", lookup_near},
	{"moved", lookup_moved},
	{"types", lookup_types},
	{"kfuncs", lookup_kfuncs},
	{"enumerators", lookup_enumerators},
};

json_t *serve_request(const struct request *request)
{
	const char *op = json_string_value(json_object_get(request->json, "op"));

	answer_forget_warnings();
	for (size_t i = 0; op && i < sizeof(services) / sizeof(*services); i++)
		if (!strcmp(op, services[i].op))
			return services[i].serve(request);
	return answer_error("bad request");
}
