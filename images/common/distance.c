// SPDX-License-Identifier: Apache-2.0
#include "distance.h"

#include <string.h>

#define LONGEST_NAME 128

static size_t smallest(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

static size_t edits(const char *from, size_t height, const char *to, size_t width)
{
	size_t row[LONGEST_NAME + 1];

	for (size_t i = 0; i <= width; i++)
		row[i] = i;
	for (size_t y = 1; y <= height; y++) {
		size_t diagonal = row[0];

		row[0] = y;
		for (size_t x = 1; x <= width; x++) {
			size_t above = row[x];

			row[x] = smallest(above + 1, row[x - 1] + 1,
					  diagonal + (from[y - 1] != to[x - 1]));
			diagonal = above;
		}
	}
	return row[width];
}

bool distance_is_near(const char *name, const char *other, size_t *distance)
{
	size_t height = strnlen(name, LONGEST_NAME);
	size_t width = strnlen(other, LONGEST_NAME);
	size_t most = 1 + height / 4;

	/* Most names are of another length, and need no table. */
	if (width + most < height || height + most < width)
		return false;
	*distance = edits(name, height, other, width);
	return *distance <= most;
}
