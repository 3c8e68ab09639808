// SPDX-License-Identifier: Apache-2.0
#include "distance.h"

#include <string.h>

static size_t smallest(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

size_t distance(const char *from, const char *to)
{
	size_t row[LONGEST_NAME + 1];
	size_t width = strnlen(to, LONGEST_NAME);
	size_t height = strnlen(from, LONGEST_NAME);

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

size_t near_enough(const char *meant)
{
	return 1 + strnlen(meant, LONGEST_NAME) / 4;
}
