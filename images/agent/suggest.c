/* SPDX-License-Identifier: Apache-2.0 */
#include "suggest.h"

#include "buffer.h"
#include "distance.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MOST_NAMES 16

static void append_text(struct buffer *text, const char *more)
{
	buffer_append(text, more, strlen(more));
}

/* Appends the names, or only the near ones; returns how many. */
static size_t append_names(struct buffer *text, const char *wrong,
			   const char *const *names, size_t count, bool only_near)
{
	size_t appended = 0, distance;

	for (size_t i = 0; i < count; i++) {
		if (only_near && !distance_is_near(names[i], wrong, &distance))
			continue;
		if (appended++)
			append_text(text, only_near ? " or " : ", ");
		if (appended > MOST_NAMES) {
			append_text(text, "…");
			break;
		}
		append_text(text, names[i]);
	}
	return appended;
}

char *suggest_names(const char *wrong, const char *const *names, size_t count)
{
	struct buffer text = {0};

	append_text(&text, "did you mean ");
	if (append_names(&text, wrong, names, count, true)) {
		append_text(&text, "?");
	} else {
		text.size = 0;
		append_text(&text, count ? "there are " : "there is none");
		append_names(&text, wrong, names, count, false);
	}
	buffer_append(&text, "", 1);
	return (char *)text.data;
}
