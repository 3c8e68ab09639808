/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel_btf.h"

#include <bpf/btf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* As the linker calls libbpf's, and what is called in their place. */
struct btf *__real_btf__load_vmlinux_btf(void);
struct btf *__real_btf__parse(const char *path, struct btf_ext **btf_ext);
void __real_btf__free(struct btf *btf);
struct btf *__wrap_btf__load_vmlinux_btf(void);
struct btf *__wrap_btf__parse(const char *path, struct btf_ext **btf_ext);
void __wrap_btf__free(struct btf *btf);

/* The kernel's own, and the file that was given in its place. */
static struct btf *own, *given;
static struct stat given_file;

struct btf *__wrap_btf__load_vmlinux_btf(void)
{
	/* A failure is not kept. */
	if (!own)
		own = __real_btf__load_vmlinux_btf();
	return own;
}

static bool is_given(const struct stat *file)
{
	return given && file->st_ino == given_file.st_ino &&
	       file->st_dev == given_file.st_dev &&
	       file->st_size == given_file.st_size &&
	       !memcmp(&file->st_mtim, &given_file.st_mtim, sizeof(file->st_mtim));
}

struct btf *__wrap_btf__parse(const char *path, struct btf_ext **btf_ext)
{
	struct stat file;

	if (btf_ext || stat(path, &file) < 0)
		return __real_btf__parse(path, btf_ext);
	if (!is_given(&file)) {
		/* No object that is being loaded has the old one: one is loaded at a
		 * time. */
		__real_btf__free(given);
		given = __real_btf__parse(path, NULL);
		given_file = file;
	}
	return given;
}

void __wrap_btf__free(struct btf *btf)
{
	if (btf && btf != own && btf != given)
		__real_btf__free(btf);
}
