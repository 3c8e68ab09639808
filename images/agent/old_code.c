/* SPDX-License-Identifier: Apache-2.0 */
#include "old_code.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>

/* All that was __init of Debian's 6.1, 3.5 MB, was within the first 9 MB. */
#define MOST ((size_t)16 << 20)

static size_t wanted(void)
{
	struct sysinfo info;
	size_t spare;

	if (sysinfo(&info) < 0)
		return 0;
	/* A quarter of what is free: the rest is for those who start meanwhile. */
	spare = info.freeram / 4 * info.mem_unit;
	return spare < MOST ? spare : MOST;
}

void forget_old_code(void)
{
	size_t size = wanted();
	volatile uint64_t *words;

	words = mmap(NULL, size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (words == MAP_FAILED)
		return;
	/* No memset(): it would be XC. */
	for (size_t i = 0; i < size / sizeof(*words); i++)
		words[i] = 0;
	munmap((void *)words, size);
}
