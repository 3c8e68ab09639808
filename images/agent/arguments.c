/* SPDX-License-Identifier: Apache-2.0 */
#include "arguments.h"

#include "text.h"

#include <math.h>
#include <stdio.h>

static const char *const kinds[] = {
	[JSON_OBJECT] = "an object",   [JSON_ARRAY] = "an array",
	[JSON_STRING] = "a text",      [JSON_INTEGER] = "an integer",
	[JSON_REAL] = "a real number", [JSON_TRUE] = "true",
	[JSON_FALSE] = "false",	       [JSON_NULL] = "null",
};

bool wrong_argument(struct failure *failure, const char *name, const char *expected,
		    const json_t *value)
{
	if (json_is_integer(value))
		fail(failure, "argument \"%s\" must be %s; it is %" JSON_INTEGER_FORMAT,
		     name, expected, json_integer_value(value));
	else
		fail(failure, "argument \"%s\" must be %s; it is %s", name, expected,
		     value ? kinds[json_typeof(value)] : "missing");
	return false;
}

/* Whether an argument has no value and needs none. */
static bool left_out(const json_t *value, enum presence presence)
{
	return presence == OPTIONAL && (!value || json_is_null(value));
}

bool text_argument(const json_t *request, const char *name, enum presence presence,
		   const char **value, struct failure *failure)
{
	const json_t *given = json_object_get(request, name);

	if (left_out(given, presence))
		return true;
	if (!json_is_string(given))
		return wrong_argument(failure, name, "a text", given);
	*value = json_string_value(given);
	return true;
}

bool integer_argument(const json_t *request, const char *name, enum presence presence,
		      json_int_t least, json_int_t most, json_int_t *value,
		      struct failure *failure)
{
	const json_t *given = json_object_get(request, name);
	json_int_t number = json_integer_value(given);
	char expected[80];

	if (left_out(given, presence))
		return true;
	if (!json_is_integer(given) || number < least || number > most) {
		snprintf(expected, sizeof(expected),
			 "an integer from %" JSON_INTEGER_FORMAT
			 " to %" JSON_INTEGER_FORMAT,
			 least, most);
		return wrong_argument(failure, name, expected, given);
	}
	*value = number;
	return true;
}

bool seconds_argument(const json_t *request, const char *name, double most,
		      double *value, struct failure *failure)
{
	const json_t *given = json_object_get(request, name);
	double number = json_number_value(given);
	char expected[80];

	if (!json_is_number(given) || !isfinite(number) || number < 0 ||
	    number > most) {
		snprintf(expected, sizeof(expected), "a number of seconds from 0 to %g",
			 most);
		return wrong_argument(failure, name, expected, given);
	}
	*value = number;
	return true;
}

bool bytes_argument(const json_t *request, const char *name, enum presence presence,
		    struct buffer *value, struct failure *failure)
{
	const json_t *given = json_object_get(request, name);

	if (left_out(given, presence))
		return true;
	if (!json_is_string(given))
		return wrong_argument(failure, name, "base64 with its padding", given);
	if (!base64_decode(json_string_value(given), json_string_length(given),
			   value)) {
		fail(failure,
		     "argument \"%s\" must be base64 with its padding; it is not",
		     name);
		return false;
	}
	return true;
}

bool object_argument(const json_t *request, const char *name, enum presence presence,
		     const json_t **value, struct failure *failure)
{
	const json_t *given = json_object_get(request, name);

	if (left_out(given, presence))
		return true;
	if (!json_is_object(given))
		return wrong_argument(failure, name, "an object", given);
	*value = given;
	return true;
}

bool array_argument(const json_t *request, const char *name, const json_t **value,
		    struct failure *failure)
{
	const json_t *given = json_object_get(request, name);

	if (!json_is_array(given))
		return wrong_argument(failure, name, "an array", given);
	*value = given;
	return true;
}
