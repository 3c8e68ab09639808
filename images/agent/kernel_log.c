/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel_log.h"

#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
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

/* What images/rc makes. */
#define OF_GUESTS "/run/agent"
/* A record of the lowest level, from user space. */
#define MARK "agent: a line ends here"
#define MARK_LINE "<15>" MARK "\n"
/* SYSLOG_ACTION_SIZE_UNREAD of syslog(2): what nobody has read yet, and nobody reads.
 */
#define SIZE_UNREAD 9

static int descriptor = -1;
/* What a mark adds to the log's size, and what all have added. */
static int mark_size, marks_size;
/* Records of lower levels are returned; 0 until the first call. */
static unsigned long level;

/* A line that the kernel has not ended is shown to nobody before the next record comes,
 * and would then be taken for what came of another case.
 */
static void end_line(void)
{
	int before = klogctl(SIZE_UNREAD, NULL, 0);
	int file = -1;

	/* Not on a host, where tests run this program. */
	if (!access(OF_GUESTS, F_OK))
		file = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NONBLOCK);
	if (file < 0)
		return;
	/* A file of its own, because the kernel drops some where one writes many. */
	if (write(file, MARK_LINE, strlen(MARK_LINE)) > 0) {
		if (!mark_size)
			mark_size = klogctl(SIZE_UNREAD, NULL, 0) - before;
		marks_size += mark_size;
	}
	close(file);
}

static bool is_mark(const char *record)
{
	const char *text = strchr(record, ';');

	return text && !strncmp(text + 1, MARK, strlen(MARK));
}

int kernel_log_size(void)
{
	return klogctl(SIZE_UNREAD, NULL, 0) - marks_size;
}

void kernel_log_start(void)
{
	/* Nobody can become able to read it later: the agent may have fewer rights. */
	descriptor = open("/dev/kmsg", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	end_line();
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
		if ((strtoul(record, NULL, 10) & LEVEL_MASK) >= level ||
		    is_mark(record))
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
	end_line();
	if (descriptor >= 0)
		lseek(descriptor, 0, SEEK_END);
}

json_t *kernel_log_json(bool *is_incomplete)
{
	json_t *records;

	find_level();
	if (descriptor < 0)
		return json_null();
	end_line();
	records = json_array();
	*is_incomplete = read_records(records);
	return records;
}
