/* SPDX-License-Identifier: Apache-2.0 */
#include "snapshot.h"

#include "arguments.h"
#include "clock.h"
#include "entropy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

/* Taken at a time, and the free memory that is left alone: taking the last of it would
 * push the kernel into reclaim, or wake its killer.
 */
#define CHUNK ((json_int_t)4 << 20)
#define RESERVE ((json_int_t)12 << 20)
/* 64 GiB of them. */
#define MOST_CHUNKS 16384

/* Whether there is a chunk more to take. Of what is free the kernel keeps the more back
 * for itself the more memory there is, and says how much is left without it. What is in
 * areas for devices (CMA: 64 MiB on arm64) counts as free, but not for page tables.
 */
static bool has_free_memory(void)
{
	FILE *info = fopen("/proc/meminfo", "re");
	long long free_kib = 0, available_kib = 0, devices_kib = 0;
	char line[256];

	while (info && fgets(line, sizeof(line), info)) {
		sscanf(line, "MemFree: %lld kB", &free_kib);
		sscanf(line, "MemAvailable: %lld kB", &available_kib);
		sscanf(line, "CmaFree: %lld kB", &devices_kib);
	}
	if (info)
		fclose(info);
	return (free_kib - devices_kib) * 1024 > RESERVE + CHUNK &&
	       (available_kib - devices_kib) * 1024 > CHUNK;
}

json_t *settle_operation(const json_t *request, struct failure *failure)
{
	static void *chunks[MOST_CHUNKS];
	json_int_t most = 0;
	size_t count = 0;

	if (!integer_argument(request, "most", REQUIRED, 0, MOST_CHUNKS * CHUNK, &most,
			      failure))
		return NULL;
	/* The kernel clears a page when it hands it out. */
	while (((json_int_t)count + 1) * CHUNK <= most && count < MOST_CHUNKS &&
	       has_free_memory()) {
		void *chunk = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

		if (chunk == MAP_FAILED)
			break;
		chunks[count++] = chunk;
	}
	for (size_t i = 0; i < count; i++)
		munmap(chunks[i], CHUNK);
	return json_pack("{s:I}", "cleared", (json_int_t)count * CHUNK);
}

static json_t *wake(const struct timespec *now, const struct buffer *entropy,
		    struct failure *failure)
{
	if (!entropy->size)
		return fail(failure, "argument \"entropy\" must not be empty");
	if (clock_settime(CLOCK_REALTIME, now) < 0)
		return fail_errno(failure, errno, "can't set the clock");
	if (!add_entropy(entropy->data, entropy->size))
		return fail_errno(failure, errno, "can't add entropy");
	return json_object();
}

json_t *wake_operation(const json_t *request, struct failure *failure)
{
	struct buffer entropy = {0};
	json_int_t now = 0;
	struct timespec time;
	json_t *reply = NULL;

	if (!integer_argument(request, "time_ns", REQUIRED, 0, INT64_MAX, &now,
			      failure))
		return NULL;
	if (!bytes_argument(request, "entropy", REQUIRED, &entropy, failure))
		return NULL;
	time = timespec_of(now);
	reply = wake(&time, &entropy, failure);
	buffer_free(&entropy);
	return reply;
}
