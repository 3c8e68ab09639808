/* SPDX-License-Identifier: Apache-2.0 */
#include "aftermath.h"

#include "arguments.h"
#include "kernel_log.h"
#include "leftovers.h"

#include <stdbool.h>

json_t *aftermath_operation(const json_t *request, struct failure *failure)
{
	json_int_t begins = 0;
	bool is_incomplete = false;
	json_t *records;

	if (!integer_argument(request, "begin", OPTIONAL, 0, 1, &begins, failure))
		return NULL;
	if (begins) {
		kernel_log_skip();
		leftovers_begin();
		return json_object();
	}
	records = kernel_log_json(&is_incomplete);
	return json_pack("{s:o, s:b, s:o, s:o}", "records", records, "incomplete",
			 is_incomplete, "objects", leftovers_objects_json(), "pins",
			 leftovers_pins_json());
}
