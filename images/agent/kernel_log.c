/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel_log.h"

#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Above KERN_WARNING: a console that shows less would hide a WARN. */
#define LEAST_LEVEL 5
/* The low bits of what a record begins with; the rest is the facility. */
#define LEVEL_MASK 7
/* More than a record and its dictionary take (CONSOLE_EXT_LOG_MAX is 8 KiB). */
#define LONGEST_RECORD (16 << 10)
/* What is returned at most, in bytes, and looked at, in records: a kernel may log
 * without end.
 */
#define MOST_RETURNED (1u << 20)
#define MOST_RECORDS 100000

static int descriptor = -1;
/* Records of lower levels are returned; 0 until the first call. */
static unsigned long level;

void kernel_log_start(void)
{
	/* Nobody can become able to read it later: the agent may have fewer rights. */
	descriptor = open("/dev/kmsg", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (descriptor >= 0)
		lseek(descriptor, 0, SEEK_END);
}

/* The level that the console was given, before anything that runs could change it. */
static void find_level(void)
{
	FILE *file = level ? NULL : fopen("/proc/sys/kernel/printk", "re");
	unsigned long found;

	if (file && fscanf(file, "%lu", &found) == 1)
		level = found;
	if (file)
		fclose(file);
	if (level < LEAST_LEVEL)
		level = LEAST_LEVEL;
}

/* Appends what there is; returns whether records are missing. */
static bool read_records(json_t *records)
{
	static char record[LONGEST_RECORD];
	bool is_incomplete = false;
	size_t returned = 0;

	for (int i = 0; i < MOST_RECORDS && returned < MOST_RETURNED; i++) {
		ssize_t size = read(descriptor, record, sizeof(record) - 1);

		if (size <= 0) {
			if (size < 0 && errno == EINTR)
				continue;
			/* The oldest ones made room for others; what is left follows.
			 */
			if (size < 0 && errno == EPIPE) {
				is_incomplete = true;
				continue;
			}
			return is_incomplete || (size < 0 && errno != EAGAIN);
		}
		record[size] = '\0';
		if ((strtoul(record, NULL, 10) & LEVEL_MASK) >= level)
			continue;
		json_array_append_new(records, text_json(record, (size_t)size));
		returned += (size_t)size;
	}
	lseek(descriptor, 0, SEEK_END);
	return true;
}

void kernel_log_skip(void)
{
	find_level();
	if (descriptor >= 0)
		lseek(descriptor, 0, SEEK_END);
}

json_t *kernel_log_json(bool *is_incomplete)
{
	json_t *records;

	find_level();
	if (descriptor < 0)
		return json_null();
	records = json_array();
	*is_incomplete = read_records(records);
	return records;
}
