/* SPDX-License-Identifier: Apache-2.0 */
#include "text.h"

#include <stdint.h>
#include <string.h>

static const char digits[64] __attribute__((nonstring)) =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Lead bytes of UTF-8 with what may follow (RFC 3629, section 4). */
static const struct {
	unsigned char first, last;
	unsigned char length;
	unsigned char second_first, second_last;
} sequences[] = {
	{0x00, 0x7f, 1, 0x00, 0x00}, {0xc2, 0xdf, 2, 0x80, 0xbf},
	{0xe0, 0xe0, 3, 0xa0, 0xbf}, {0xe1, 0xec, 3, 0x80, 0xbf},
	{0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
	{0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf},
	{0xf4, 0xf4, 4, 0x80, 0x8f},
};

/* The length of the valid sequence that `bytes` begins with, or 0. */
static size_t sequence_length(const unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < sizeof(sequences) / sizeof(*sequences); i++) {
		size_t length = sequences[i].length;

		if (bytes[0] < sequences[i].first || bytes[0] > sequences[i].last)
			continue;
		if (length > size)
			return 0;
		if (length > 1 && (bytes[1] < sequences[i].second_first ||
				   bytes[1] > sequences[i].second_last))
			return 0;
		for (size_t j = 2; j < length; j++)
			if ((bytes[j] & 0xc0) != 0x80)
				return 0;
		return length;
	}
	return 0;
}

json_t *text_json(const void *bytes, size_t size)
{
	static const char replacement[] = "\xef\xbf\xbd";
	const unsigned char *left = bytes, *end = left + size;
	struct buffer valid = {0};
	json_t *json;

	while (left < end) {
		const unsigned char *start = left;
		size_t length;

		while (left < end && (length = sequence_length(left, end - left)))
			left += length;
		buffer_append(&valid, start, left - start);
		if (left < end) {
			buffer_append(&valid, replacement, strlen(replacement));
			left++;
		}
	}
	json = json_stringn_nocheck(valid.data ? (char *)valid.data : "", valid.size);
	buffer_free(&valid);
	return json;
}

json_t *string_json(const char *text)
{
	return text_json(text, strlen(text));
}

json_t *base64_json(const void *bytes, size_t size)
{
	const unsigned char *in = bytes;
	char *text = must_resize(NULL, (size + 2) / 3, 4);
	char *out = text;
	json_t *json;

	for (; size >= 3; size -= 3, in += 3) {
		*out++ = digits[in[0] >> 2];
		*out++ = digits[(in[0] & 3) << 4 | in[1] >> 4];
		*out++ = digits[(in[1] & 15) << 2 | in[2] >> 6];
		*out++ = digits[in[2] & 63];
	}
	if (size) {
		unsigned char second = size == 2 ? in[1] : 0;

		*out++ = digits[in[0] >> 2];
		*out++ = digits[(in[0] & 3) << 4 | second >> 4];
		*out++ = size == 2 ? digits[(second & 15) << 2] : '=';
		*out++ = '=';
	}
	json = json_stringn_nocheck(text, out - text);
	free(text);
	return json;
}

/* A digit's value, or 64 for what is no digit. */
static unsigned char digit_value(char digit)
{
	static unsigned char values[256];
	static bool filled;

	if (!filled) {
		memset(values, 64, sizeof(values));
		for (unsigned char i = 0; i < sizeof(digits); i++)
			values[(unsigned char)digits[i]] = i;
		filled = true;
	}
	return values[(unsigned char)digit];
}

bool base64_decode(const char *text, size_t length, struct buffer *bytes)
{
	size_t padding = 0;

	if (length % 4)
		return false;
	while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
		padding++;
	buffer_reserve(bytes, length / 4 * 3 + 1);
	for (size_t i = 0; i < length; i += 4) {
		size_t missing = i + 4 == length ? padding : 0;
		uint32_t group = 0;
		unsigned char out[3];

		for (size_t j = 0; j < 4; j++) {
			unsigned char value = digit_value(text[i + j]);

			if (j >= 4 - missing)
				value = 0;
			else if (value == 64)
				return false;
			group = group << 6 | value;
		}
		out[0] = group >> 16;
		out[1] = group >> 8;
		out[2] = group;
		buffer_append(bytes, out, 3 - missing);
	}
	return true;
}
