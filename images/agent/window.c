/* SPDX-License-Identifier: Apache-2.0 */
#include "window.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEVICES "/sys/bus/pci/devices"
/* QEMU's ivshmem-plain (docs/specs/ivshmem-spec.txt); its memory is resource 2. */
#define VENDOR 0x1af4
#define DEVICE 0x1110
/* On arm64 memory that is mapped as a device's takes no unaligned access, which
 * memcpy() may make; hardware and newer QEMUs check it. What may be combined does.
 */
#ifdef __aarch64__
#define RESOURCE "resource2_wc"
#else
#define RESOURCE "resource2"
#endif

static const void *mapped;
static size_t mapped_size;

static unsigned long number_of(const char *device, const char *file)
{
	char path[PATH_MAX], text[32];
	unsigned long number = 0;
	FILE *stream;

	snprintf(path, sizeof(path), DEVICES "/%s/%s", device, file);
	stream = fopen(path, "re");
	if (!stream)
		return 0;
	if (fgets(text, sizeof(text), stream))
		number = strtoul(text, NULL, 16);
	fclose(stream);
	return number;
}

/* Writes the path of the device's memory; false when there is no such device. */
static bool find(char path[PATH_MAX])
{
	DIR *devices = opendir(DEVICES);
	const struct dirent *entry;
	bool found = false;

	while (devices && !found && (entry = readdir(devices))) {
		found = number_of(entry->d_name, "vendor") == VENDOR &&
			number_of(entry->d_name, "device") == DEVICE;
		if (found)
			snprintf(path, PATH_MAX, DEVICES "/%s/" RESOURCE,
				 entry->d_name);
	}
	if (devices)
		closedir(devices);
	return found;
}

static bool map(const char *path, struct failure *failure)
{
	int descriptor = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	void *memory;

	if (descriptor < 0 || fstat(descriptor, &status) < 0) {
		fail_errno(failure, errno, "can't open %s", path);
		if (descriptor >= 0)
			close(descriptor);
		return false;
	}
	mapped_size = (size_t)status.st_size;
	memory = mmap(NULL, mapped_size, PROT_READ, MAP_SHARED, descriptor, 0);
	if (memory == MAP_FAILED)
		fail_errno(failure, errno, "can't map %s", path);
	else
		mapped = memory;
	close(descriptor);
	return memory != MAP_FAILED;
}

const void *window(size_t *size, struct failure *failure)
{
	char path[PATH_MAX];

	if (!mapped) {
		if (!find(path))
			return fail(failure, "the guest has no window to the host");
		if (!map(path, failure))
			return NULL;
	}
	*size = mapped_size;
	return mapped;
}
