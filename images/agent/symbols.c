/* SPDX-License-Identifier: Apache-2.0 */
#include "symbols.h"

#include "buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <gelf.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const folders[] = {
	"/usr/lib64",
	"/lib64",
	"/usr/lib",
	"/lib",
	"/usr/lib/*-linux-gnu*",
	"/lib/*-linux-gnu*",
	"/usr/bin",
	"/bin",
	"/usr/sbin",
	"/sbin",
};

char *symbols_file(const char *name)
{
	char *found = strchr(name, '/') ? strdup(name) : NULL, *pattern;
	glob_t matches;

	for (size_t i = 0; !found && i < sizeof(folders) / sizeof(*folders); i++) {
		if (asprintf(&pattern, "%s/%s", folders[i], name) < 0)
			out_of_memory();
		if (!glob(pattern, 0, NULL, &matches)) {
			found = strdup(matches.gl_pathv[0]);
			globfree(&matches);
		}
		free(pattern);
	}
	if (!found)
		errno = ENOENT;
	return found;
}

struct offsets {
	__u64 *list;
	__u32 count;
};

static void add_offset(struct offsets *found, __u64 offset)
{
	for (__u32 i = 0; i < found->count; i++)
		if (found->list[i] == offset)
			return;
	found->list = must_resize(found->list, found->count + 1, sizeof(*found->list));
	found->list[found->count++] = offset;
}

/* Adds where a function lies in the file, if a section holds it. */
static void add_function(Elf *elf, const GElf_Sym *function, struct offsets *found)
{
	Elf_Scn *section = elf_getscn(elf, function->st_shndx);
	GElf_Shdr header;

	if (section && gelf_getshdr(section, &header))
		add_offset(found,
			   function->st_value - header.sh_addr + header.sh_offset);
}

static void add_matching(Elf *elf, Elf_Scn *table, const char *pattern,
			 struct offsets *found)
{
	Elf_Data *data = elf_getdata(table, NULL);
	GElf_Shdr header;
	GElf_Sym symbol;

	if (!data || !gelf_getshdr(table, &header))
		return;
	for (int i = 0; gelf_getsym(data, i, &symbol); i++) {
		const char *name = elf_strptr(elf, header.sh_link, symbol.st_name);

		if (GELF_ST_TYPE(symbol.st_info) == STT_FUNC &&
		    symbol.st_shndx != SHN_UNDEF && name && !fnmatch(pattern, name, 0))
			add_function(elf, &symbol, found);
	}
}

/* By the symbols that it exports, and by all that it has kept. */
static void search(Elf *elf, const char *pattern, struct offsets *found)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(elf, section)))
		if (gelf_getshdr(section, &header) &&
		    (header.sh_type == SHT_SYMTAB || header.sh_type == SHT_DYNSYM))
			add_matching(elf, section, pattern, found);
}

__u64 *symbols_offsets(const char *path, const char *pattern, __u32 *count)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	struct offsets found = {0};
	bool readable = false;
	Elf *elf;

	if (file < 0)
		return NULL;
	elf_version(EV_CURRENT);
	elf = elf_begin(file, ELF_C_READ_MMAP, NULL);
	if (elf && elf_kind(elf) == ELF_K_ELF) {
		readable = true;
		search(elf, pattern, &found);
	}
	elf_end(elf);
	close(file);
	*count = found.count;
	errno = readable ? ENOENT : ENOEXEC;
	return found.list;
}
