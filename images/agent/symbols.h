/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of a program or library, as uprobes name them. */
#ifndef SYMBOLS_H
#define SYMBOLS_H

#include <linux/types.h>
#include <stddef.h>

/* The file that a place names: by its path, or by its name alone where libraries and
 * programs are. To be freed; NULL with errno.
 */
char *symbols_file(const char *name);

/* Where in a file its functions begin whose names match a shell's pattern, each once:
 * to be freed. NULL with errno: ENOENT where none does, ENOEXEC for what is no ELF
 * file.
 */
__u64 *symbols_offsets(const char *path, const char *pattern, __u32 *count);

#endif
