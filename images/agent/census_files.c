/* SPDX-License-Identifier: Apache-2.0 */
#include "census_files.h"

#include "text.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define FNV_START UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)
/* Of ipc/mqueue.c; no header has it. */
#define MQUEUE_MAGIC 0x19800202
/* Of what sysctls say. */
#define MOST_SAID 4096

/* ------------------------------------------------------------------- trees */

static bool is_link_to_parent(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

static bool is_folder(const char *path)
{
	struct stat found;

	return !lstat(path, &found) && S_ISDIR(found.st_mode);
}

static void add_tree(json_t *found, const char *folder, bool only_folders)
{
	DIR *entries = opendir(folder);
	const struct dirent *entry;
	char path[PATH_MAX];

	while (entries && (entry = readdir(entries))) {
		bool is_below;

		if (is_link_to_parent(entry->d_name))
			continue;
		if (only_folders && entry->d_type != DT_DIR)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		is_below = is_folder(path);
		if (is_below || !only_folders)
			json_array_append_new(found, string_json(path));
		if (is_below)
			add_tree(found, path, only_folders);
	}
	if (entries)
		closedir(entries);
}

json_t *tree_json(const char *root, bool only_folders)
{
	json_t *found;

	if (!is_folder(root))
		return json_null();
	found = json_array();
	add_tree(found, root, only_folders);
	return found;
}

/* ---------------------------------------------------------------- checksums */

static uint64_t added(uint64_t sum, const void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		sum = (sum ^ ((const unsigned char *)bytes)[i]) * FNV_PRIME;
	return sum;
}

/* What is known of the files of one folder. The order in which a folder tells them may
 * change, so that their checksums are added up.
 */
struct sum {
	unsigned int count;
	uint64_t total;
};

static void sum_add(struct sum *sum, const char *name, const void *what, size_t size)
{
	sum->count++;
	sum->total += added(added(FNV_START, name, strlen(name) + 1), what, size);
}

static void sum_tell(json_t *found, const char *folder, const struct sum *sum)
{
	char line[PATH_MAX + 64];

	snprintf(line, sizeof(line), "%s: %u, %016llx", folder, sum->count,
		 (unsigned long long)sum->total);
	json_array_append_new(found, string_json(line));
}

/* Whether a folder's file system is one that a guest's files are on. */
static bool is_in_memory(const char *folder)
{
	struct statfs system;

	if (statfs(folder, &system))
		return false;
	return system.f_type == TMPFS_MAGIC || system.f_type == RAMFS_MAGIC ||
	       system.f_type == HUGETLBFS_MAGIC || system.f_type == MQUEUE_MAGIC;
}

static void add_files(json_t *found, const char *folder)
{
	DIR *entries = is_in_memory(folder) ? opendir(folder) : NULL;
	const struct dirent *entry;
	char path[PATH_MAX];
	struct sum sum = {0};

	while (entries && (entry = readdir(entries))) {
		struct {
			uint64_t inode, size, seconds, nanoseconds, mode;
		} what = {0};
		struct stat of;

		snprintf(path, sizeof(path), "%s/%s", strcmp(folder, "/") ? folder : "",
			 entry->d_name);
		if (is_link_to_parent(entry->d_name) || lstat(path, &of) < 0)
			continue;
		what.mode = of.st_mode;
		/* Who writes to a device, or to what is below, changes its times. */
		if (S_ISREG(of.st_mode) || S_ISLNK(of.st_mode)) {
			what.inode = of.st_ino;
			what.size = (uint64_t)of.st_size;
			what.seconds = (uint64_t)of.st_mtim.tv_sec;
			what.nanoseconds = (uint64_t)of.st_mtim.tv_nsec;
		}
		sum_add(&sum, entry->d_name, &what, sizeof(what));
		if (S_ISDIR(of.st_mode))
			add_files(found, path);
	}
	if (!entries)
		return;
	closedir(entries);
	sum_tell(found, folder, &sum);
}

json_t *files_json(void)
{
	json_t *found = json_array();

	add_files(found, "/");
	return found;
}

/* ------------------------------------------------------------------ sysctls */

/* Those that are left out. */
static bool is_left_out(const char *name)
{
	/* Changes by itself. */
	if (!strcmp(name, "ns_last_pid"))
		return true;
	/* Other names for NAME_ms: IPv6 logs that they are deprecated when they are
	 * read (ndisc_warn_deprecated_sysctl() in net/ipv6/ndisc.c).
	 */
	return !strcmp(name, "base_reachable_time") || !strcmp(name, "retrans_time");
}

static void add_sysctls(json_t *found, const char *folder)
{
	DIR *entries = opendir(folder);
	const struct dirent *entry;
	char path[PATH_MAX], said[MOST_SAID];
	struct sum sum = {0};

	while (entries && (entry = readdir(entries))) {
		struct stat of;
		ssize_t size = -1;
		int file;

		if (is_link_to_parent(entry->d_name))
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (entry->d_type == DT_DIR) {
			add_sysctls(found, path);
			continue;
		}
		/* What can't be set tells of what happens meanwhile. */
		if (lstat(path, &of) < 0 || !(of.st_mode & 0222) ||
		    !(of.st_mode & 0444) || is_left_out(entry->d_name))
			continue;
		file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (file >= 0) {
			size = read(file, said, sizeof(said));
			close(file);
		}
		if (size >= 0)
			sum_add(&sum, entry->d_name, said, (size_t)size);
	}
	if (entries)
		closedir(entries);
	if (sum.count)
		sum_tell(found, folder, &sum);
}

json_t *sysctls_json(void)
{
	json_t *found = json_array();

	add_sysctls(found, "/proc/sys");
	return found;
}
