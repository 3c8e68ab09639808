/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as JSON: text that JSON can hold, and base64. */
#ifndef TEXT_H
#define TEXT_H

#include "buffer.h"

#include <jansson.h>
#include <stdbool.h>

/* Bytes that are no UTF-8 become U+FFFD, one each. */
json_t *text_json(const void *bytes, size_t size);
json_t *string_json(const char *text);

json_t *base64_json(const void *bytes, size_t size);
/* Appends what `text` decodes to; false when it is no base64 with its padding. */
bool base64_decode(const char *text, size_t length, struct buffer *bytes);

#endif
