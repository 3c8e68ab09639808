/* SPDX-License-Identifier: Apache-2.0 */
#include "open.h"

#include "arguments.h"
#include "compat.h"
#include "describe.h"
#include "files.h"
#include "namespace.h"
#include "inner_maps.h"
#include "object.h"
#include "settings.h"
#include "text.h"
#include "token.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* An ELF header, of which libelf reads more than it checks for. */
#define SMALLEST_ELF 64
/* Seconds that libbpf may take to open an object. */
#define OPEN_DEADLINE 20
/* Values of "loader". */
#define PLAIN "libbpf"
#define COMPAT "compat"

/* Whether libbpf survives opening the object, tried in a process that may die of it:
 * libbpf 1.1 trusts much of what stands in an object.
 */
static bool survives_opening(const struct buffer *image, struct failure *failure)
{
	struct sigaction ends = {.sa_handler = SIG_DFL};
	int status = 0;
	pid_t pid = fork();

	if (pid < 0) {
		fail_errno(failure, errno, "can't fork");
		return false;
	}
	if (pid == 0) {
		sigaction(SIGALRM, &ends, NULL);
		alarm(OPEN_DEADLINE);
		libbpf_set_print(NULL);
		bpf_object__close(bpf_object__open_mem(image->data, image->size, NULL));
		_exit(EXIT_SUCCESS);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (WIFSIGNALED(status))
		fail(failure,
		     "the object is broken: libbpf gets SIG%s when it opens it",
		     sigabbrev_np(WTERMSIG(status)));
	else if (status)
		fail(failure,
		     "the object is broken: libbpf ends the agent when it opens it");
	return status == 0;
}

static bool is_object(const struct buffer *image, struct failure *failure)
{
	static const char magic[] = {0x7f, 'E', 'L', 'F'};

	if (image->size < sizeof(magic) || memcmp(image->data, magic, sizeof(magic))) {
		fail(failure, "the object is not an ELF file (%zu bytes)", image->size);
		return false;
	}
	if (image->size < SMALLEST_ELF) {
		fail(failure, "the object is an ELF file that was cut off at %zu bytes",
		     image->size);
		return false;
	}
	return survives_opening(image, failure);
}

/* How an object is opened, besides what is set of it. */
struct manner {
	const char *name;
	/* NULL for the kernel's own. */
	const char *btf;
	const char *loader;
	/* Whether it is to be loaded with a BPF token. */
	bool token;
};

static struct bpf_object *open_image(const struct buffer *image,
				     const struct manner *manner,
				     struct failure *failure)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .object_name = manner->name,
		    .btf_custom_path = manner->btf);
	struct bpf_object *bpf;

	if (!is_object(image, failure))
		return NULL;
	if (manner->token)
		setenv(TOKEN_VARIABLE, TOKEN_FOLDER, 1);
	bpf = bpf_object__open_mem(image->data, image->size, &options);
	unsetenv(TOKEN_VARIABLE);
	if (!bpf) {
		fail_errno(failure, errno, "libbpf can't open the object");
		return NULL;
	}
	if (!bpf_object__btf(bpf)) {
		bpf_object__close(bpf);
		fail(failure, "the object has no BTF; compile it with clang -g");
		return NULL;
	}
	return bpf;
}

/* The object's bytes, of "object" or of the file that "path" names. */
static bool image_argument(const json_t *request, struct buffer *image,
			   struct failure *failure)
{
	const char *path = NULL;

	if (!text_argument(request, "path", OPTIONAL, &path, failure))
		return false;
	if (!path)
		return bytes_argument(request, "object", REQUIRED, image, failure);
	if (json_object_get(request, "object")) {
		fail(failure, "arguments \"object\" and \"path\" exclude each other");
		return false;
	}
	return read_whole_file(path, image, failure);
}

static json_t *opened_json(const struct object *object)
{
	json_t *programs = json_array(), *maps = json_array();
	struct bpf_program *program;
	struct bpf_map *map;

	bpf_object__for_each_program (program, object->bpf) {
		json_t *row = describe_program(program);

		json_object_set_new(row, "section",
				    string_json(bpf_program__section_name(program)));
		json_object_set_new(row, "load",
				    json_boolean(bpf_program__autoload(program)));
		json_array_append_new(programs, row);
	}
	bpf_object__for_each_map (map, object->bpf)
		json_array_append_new(maps, describe_map(map));
	return json_pack("{s:i, s:o, s:o}", "handle", object->handle, "programs",
			 programs, "maps", maps);
}

/* "libbpf", as which it starts, or "compat". */
static bool loader_argument(const json_t *request, const char **loader,
			    struct failure *failure)
{
	if (!text_argument(request, "loader", OPTIONAL, loader, failure))
		return false;
	if (!strcmp(*loader, COMPAT) || !strcmp(*loader, PLAIN))
		return true;
	fail(failure,
	     "argument \"loader\" must be \"" PLAIN "\" or \"" COMPAT
	     "\"; it is \"%s\"",
	     *loader);
	return false;
}

json_t *open_operation(const json_t *request, struct failure *failure)
{
	struct manner manner = {.loader = PLAIN};
	struct settings settings = {0};
	struct buffer image = {0};
	struct bpf_object *bpf = NULL;
	struct compat *compat = NULL;

	manner.token = json_is_true(json_object_get(request, "token"));
	if (!text_argument(request, "name", REQUIRED, &manner.name, failure) ||
	    !text_argument(request, "btf", OPTIONAL, &manner.btf, failure) ||
	    !loader_argument(request, &manner.loader, failure) ||
	    !settings_argument(request, &settings, failure))
		return NULL;
	if (image_argument(request, &image, failure))
		bpf = open_image(&image, &manner, failure);
	if (bpf && !settings_apply(&settings, bpf, failure)) {
		inner_maps_close(bpf);
		bpf_object__close(bpf);
		bpf = NULL;
	}
	if (bpf && !strcmp(manner.loader, COMPAT))
		compat = compat_open(&image);
	buffer_free(&image);
	return bpf ? opened_json(object_hold(bpf, compat)) : NULL;
}
