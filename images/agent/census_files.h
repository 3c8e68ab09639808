/* SPDX-License-Identifier: Apache-2.0 */
/* What file systems of the guest hold, for its census. */
#ifndef CENSUS_FILES_H
#define CENSUS_FILES_H

#include <jansson.h>
#include <stdbool.h>

/* All paths below a folder, or only those of folders; null where there is none. */
json_t *tree_json(const char *root, bool only_folders);

/* A line for each folder that is in memory: how many files it has, and a checksum of
 * their names, sizes and times.
 */
json_t *files_json(void);

/* A line for each folder of /proc/sys: a checksum of what can be set in it. */
json_t *sysctls_json(void);

#endif
