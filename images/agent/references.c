/* SPDX-License-Identifier: Apache-2.0 */
#include "references.h"

#include <gelf.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#ifndef R_BPF_64_64
#define R_BPF_64_64 1
#endif
#define READ_ONLY ".rodata"

struct object_file {
	Elf *elf;
	size_t section_names;
	/* Those of the symbol table that a section of relocations names. */
	Elf_Data *symbols;
	size_t symbol_names;
	/* The code that is relocated. */
	Elf_Data *code;
	size_t code_section;
};

static Elf_Scn *section_of(const struct object_file *file, size_t number,
			   GElf_Shdr *header)
{
	Elf_Scn *section = elf_getscn(file->elf, number);

	return section && gelf_getshdr(section, header) ? section : NULL;
}

static bool is_read_only_data(const struct object_file *file, size_t number)
{
	const char *name;
	GElf_Shdr header;

	if (!section_of(file, number, &header))
		return false;
	name = elf_strptr(file->elf, file->section_names, header.sh_name);
	return name && !strncmp(name, READ_ONLY, strlen(READ_ONLY));
}

/* The name of the function that holds a byte of the code, and where it starts. */
static const char *function_at(const struct object_file *file, size_t offset,
			       size_t *start)
{
	GElf_Sym symbol;

	for (int i = 0; gelf_getsym(file->symbols, i, &symbol); i++) {
		if (GELF_ST_TYPE(symbol.st_info) != STT_FUNC ||
		    symbol.st_shndx != file->code_section || offset < symbol.st_value ||
		    offset - symbol.st_value >= symbol.st_size)
			continue;
		*start = symbol.st_value;
		return elf_strptr(file->elf, file->symbol_names, symbol.st_name);
	}
	return NULL;
}

static void add_relocation(struct references *references,
			   const struct object_file *file, const GElf_Rel *relocation)
{
	size_t offset = relocation->r_offset, start = 0;
	struct bpf_insn insn;
	const char *function;
	GElf_Sym symbol;

	if (GELF_R_TYPE(relocation->r_info) != R_BPF_64_64 ||
	    offset > file->code->d_size ||
	    file->code->d_size - offset < 2 * sizeof(insn) ||
	    !gelf_getsym(file->symbols, (int)GELF_R_SYM(relocation->r_info), &symbol) ||
	    !is_read_only_data(file, symbol.st_shndx))
		return;
	function = function_at(file, offset, &start);
	if (!function)
		return;
	memcpy(&insn, (char *)file->code->d_buf + offset, sizeof(insn));
	references->rows = must_resize(references->rows, references->count + 1,
				       sizeof(*references->rows));
	references->rows[references->count++] = (struct reference){
		.function = strdup(function),
		.at = (offset - start) / sizeof(insn),
		.dst_reg = insn.dst_reg,
		.offset = (uint32_t)symbol.st_value + (uint32_t)insn.imm,
	};
}

static void add_relocations(struct references *references, struct object_file *file,
			    Elf_Scn *section)
{
	GElf_Shdr header, symbols, code;
	Elf_Scn *symbol_section, *code_section;
	Elf_Data *relocations;
	GElf_Rel relocation;

	if (!gelf_getshdr(section, &header) || header.sh_type != SHT_REL)
		return;
	symbol_section = section_of(file, header.sh_link, &symbols);
	code_section = section_of(file, header.sh_info, &code);
	relocations = elf_getdata(section, NULL);
	if (!symbol_section || !code_section || !relocations ||
	    !(code.sh_flags & SHF_EXECINSTR))
		return;
	file->symbols = elf_getdata(symbol_section, NULL);
	file->symbol_names = symbols.sh_link;
	file->code = elf_getdata(code_section, NULL);
	file->code_section = header.sh_info;
	if (!file->symbols || !file->code || !file->code->d_buf)
		return;
	for (int i = 0; gelf_getrel(relocations, i, &relocation); i++)
		add_relocation(references, file, &relocation);
}

void references_read(struct references *references, const struct buffer *image)
{
	struct object_file file = {0};
	Elf_Scn *section = NULL;

	elf_version(EV_CURRENT);
	file.elf = elf_memory((char *)image->data, image->size);
	if (!file.elf)
		return;
	if (!elf_getshdrstrndx(file.elf, &file.section_names))
		while ((section = elf_nextscn(file.elf, section)))
			add_relocations(references, &file, section);
	elf_end(file.elf);
}

void references_free(struct references *references)
{
	for (size_t i = 0; i < references->count; i++)
		free(references->rows[i].function);
	free(references->rows);
	*references = (struct references){0};
}

const struct reference *reference_at(const struct references *references,
				     const char *function, size_t at)
{
	for (size_t i = 0; i < references->count; i++) {
		const struct reference *row = &references->rows[i];

		if (row->at == at && !strcmp(row->function, function))
			return row;
	}
	return NULL;
}
