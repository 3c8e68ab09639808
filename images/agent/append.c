/* SPDX-License-Identifier: Apache-2.0 */
#include "append.h"

#include "arguments.h"
#include "root.h"
#include "window.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a file is called until its last part is there. */
#define PARTIAL ".part"
#define MOST_FILE (INT64_C(1) << 40)

struct part {
	/* Where the path begins; NULL for the agent's own root. */
	const char *root;
	const char *path;
	json_int_t at;
	/* Where its bytes are: in `data`, or so many in the window. */
	struct buffer data;
	json_int_t in_window;
	json_int_t mode;
	json_int_t last;
};

/* Whether a path is absolute, and has no empty, "." or ".." component. */
static bool is_plain(const char *path)
{
	if (*path != '/' || strlen(path) + strlen(PARTIAL) >= PATH_MAX)
		return false;
	while (*path++ == '/') {
		size_t length = strcspn(path, "/");

		if (length <= 2 && !strncmp(path, "..", length))
			return false;
		path += length;
		if (!*path)
			return true;
	}
	return false;
}

static bool part_arguments(const json_t *request, struct part *part,
			   struct failure *failure)
{
	if (!root_argument(request, &part->root, failure) ||
	    !text_argument(request, "path", REQUIRED, &part->path, failure) ||
	    !integer_argument(request, "at", REQUIRED, 0, MOST_FILE, &part->at,
			      failure) ||
	    !integer_argument(request, "size", OPTIONAL, 0, MOST_FILE, &part->in_window,
			      failure) ||
	    !integer_argument(request, "mode", OPTIONAL, 0, 07777, &part->mode,
			      failure) ||
	    !integer_argument(request, "last", OPTIONAL, 0, 1, &part->last, failure) ||
	    !bytes_argument(request, "data", OPTIONAL, &part->data, failure))
		return false;
	if (is_plain(part->path))
		return true;
	fail(failure,
	     "argument \"path\" must begin with / and have no empty, . or .. "
	     "component; it is %s",
	     part->path);
	return false;
}

static int make_folders(const char *path)
{
	char folder[PATH_MAX];

	for (const char *end = strchr(path + 1, '/'); end; end = strchr(end + 1, '/')) {
		snprintf(folder, sizeof(folder), "%.*s", (int)(end - path), path);
		if (mkdir(folder, 0755) < 0 && errno != EEXIST)
			return errno;
	}
	return 0;
}

static int write_at(int descriptor, const unsigned char *bytes, size_t size, off_t at)
{
	while (size) {
		ssize_t written = pwrite(descriptor, bytes, size, at);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return written ? errno : EIO;
		bytes += written;
		size -= (size_t)written;
		at += written;
	}
	return 0;
}

/* Writes a part to the file that is not whole yet; an errno. */
static int write_part(const struct part *part, const unsigned char *bytes, size_t size,
		      const char *partial)
{
	int start = part->at ? 0 : O_CREAT | O_TRUNC | O_NOFOLLOW;
	int error = part->at ? 0 : make_folders(part->path);
	int descriptor;

	if (error)
		return error;
	descriptor = open(partial, O_WRONLY | O_CLOEXEC | start, 0600);
	if (descriptor < 0)
		return errno;
	error = write_at(descriptor, bytes, size, part->at);
	if (!error && part->last && fchmod(descriptor, (mode_t)part->mode) < 0)
		error = errno;
	if (close(descriptor) < 0 && !error)
		error = errno;
	return error;
}

static bool append(const struct part *part, const unsigned char *bytes, size_t size,
		   struct failure *failure)
{
	char partial[PATH_MAX];
	int error;

	if (!root_enter(part->root, failure))
		return false;
	snprintf(partial, sizeof(partial), "%s" PARTIAL, part->path);
	error = write_part(part, bytes, size, partial);
	/* A file is never seen half, and a link is replaced, not followed. */
	if (!error && part->last && rename(partial, part->path) < 0)
		error = errno;
	if (error)
		unlink(partial);
	root_leave();
	if (!error)
		return true;
	fail_errno(failure, error, "can't write %s", part->path);
	return false;
}

json_t *append_operation(const json_t *request, struct failure *failure)
{
	struct part part = {.in_window = -1, .mode = 0600};
	const unsigned char *bytes;
	bool done = false;
	size_t size = 0;

	if (part_arguments(request, &part, failure)) {
		if (part.in_window < 0) {
			done = append(&part, part.data.data, part.data.size, failure);
		} else if ((bytes = window(&size, failure))) {
			if ((size_t)part.in_window <= size)
				done = append(&part, bytes, (size_t)part.in_window,
					      failure);
			else
				fail(failure, "the window has only %zu bytes", size);
		}
	}
	buffer_free(&part.data);
	return done ? json_object() : NULL;
}
