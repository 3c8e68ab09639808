/* SPDX-License-Identifier: Apache-2.0 */
#include "files.h"

#include "arguments.h"
#include "root.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The only folder that put writes to. */
#define FOLDER "/run/agent/"
#define READ_UNLESS_TOLD (1 << 20)
#define MOST_READ (64 << 20)
#define MOST_OBJECT (256 << 20)

/* Reads up to `most` bytes; returns an errno. */
static int read_up_to(int descriptor, size_t most, struct buffer *content)
{
	static unsigned char chunk[1 << 16];

	while (content->size < most) {
		size_t room = most - content->size;
		ssize_t size = read(descriptor, chunk,
				    room < sizeof(chunk) ? room : sizeof(chunk));

		if (size == 0)
			break;
		if (size > 0)
			buffer_append(content, chunk, (size_t)size);
		else if (errno != EINTR)
			return errno;
	}
	return 0;
}

static bool read_file(const char *path, size_t most, struct buffer *content,
		      struct failure *failure)
{
	/* A fifo, or a trace that waits for events, must not hang the session. */
	int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int error;

	if (descriptor < 0) {
		fail_errno(failure, errno, "can't open %s", path);
		return false;
	}
	error = read_up_to(descriptor, most, content);
	close(descriptor);
	if (error)
		fail_errno(failure, error, "can't read %s", path);
	return !error;
}

bool read_whole_file(const char *path, struct buffer *content, struct failure *failure)
{
	if (!read_file(path, MOST_OBJECT + 1, content, failure))
		return false;
	if (content->size <= MOST_OBJECT)
		return true;
	fail(failure, "%s is larger than %d bytes", path, MOST_OBJECT);
	return false;
}

json_t *read_operation(const json_t *request, struct failure *failure)
{
	json_int_t most = READ_UNLESS_TOLD;
	struct buffer content = {0};
	json_t *result = NULL;
	const char *path, *root = NULL;
	bool is_read;

	if (!root_argument(request, &root, failure) ||
	    !text_argument(request, "path", REQUIRED, &path, failure) ||
	    !integer_argument(request, "max", OPTIONAL, 1, MOST_READ, &most, failure))
		return NULL;
	if (*path != '/')
		return fail(failure, "argument \"path\" must begin with /; it is %s",
			    path);
	if (!root_enter(root, failure))
		return NULL;
	/* A byte more tells whether there is more. */
	is_read = read_file(path, (size_t)most + 1, &content, failure);
	root_leave();
	if (is_read) {
		bool truncated = content.size > (size_t)most;

		result = json_pack("{s:o, s:b}", "text",
				   text_json(content.data ? (char *)content.data : "",
					     truncated ? (size_t)most : content.size),
				   "truncated", truncated);
	}
	buffer_free(&content);
	return result;
}

/* -------------------------------------------------------------------- put */

static bool is_dots(const char *component, size_t length)
{
	return length <= 2 && !strncmp(component, "..", length);
}

/* Whether a path stays in the folder; symbolic links there are the runner's own. */
static bool is_in_folder(const char *path)
{
	const char *component = path + strlen(FOLDER);

	if (strncmp(path, FOLDER, strlen(FOLDER)) || strlen(path) >= PATH_MAX)
		return false;
	for (;;) {
		size_t length = strcspn(component, "/");

		/* "", "." and ".." */
		if (is_dots(component, length))
			return false;
		component += length;
		if (!*component)
			return true;
		component++;
	}
}

static int make_folders(const char *path)
{
	char folder[PATH_MAX];

	for (const char *end = strchr(path + 1, '/'); end; end = strchr(end + 1, '/')) {
		snprintf(folder, sizeof(folder), "%.*s", (int)(end - path), path);
		if (mkdir(folder, 0700) < 0 && errno != EEXIST)
			return errno;
	}
	return 0;
}

static int write_all(int descriptor, const struct buffer *data)
{
	for (size_t written = 0; written < data->size;) {
		ssize_t size =
			write(descriptor, data->data + written, data->size - written);

		if (size >= 0)
			written += (size_t)size;
		else if (errno != EINTR)
			return errno;
	}
	return 0;
}

/* Writes beside the file and renames, so that none is ever seen half; an errno. */
static int write_file(const char *path, const struct buffer *data, mode_t mode)
{
	char temporary[] = FOLDER ".put-XXXXXX";
	int error = make_folders(path);
	int descriptor;

	if (error)
		return error;
	descriptor = mkostemp(temporary, O_CLOEXEC);
	if (descriptor < 0)
		return errno;
	error = write_all(descriptor, data);
	if (!error && fchmod(descriptor, mode) < 0)
		error = errno;
	close(descriptor);
	if (!error && rename(temporary, path) < 0)
		error = errno;
	if (error)
		unlink(temporary);
	return error;
}

json_t *put_operation(const json_t *request, struct failure *failure)
{
	struct buffer data = {0};
	json_int_t mode = 0600;
	const char *path;
	json_t *result = NULL;
	int error;

	if (!text_argument(request, "path", REQUIRED, &path, failure) ||
	    !integer_argument(request, "mode", OPTIONAL, 0, 0777, &mode, failure))
		return NULL;
	if (!is_in_folder(path))
		return fail(failure,
			    "argument \"path\" must be below " FOLDER
			    " and have no empty, . or .. component; it is %s",
			    path);
	if (bytes_argument(request, "data", REQUIRED, &data, failure)) {
		error = write_file(path, &data, (mode_t)mode);
		if (error)
			fail_errno(failure, error, "can't write %s", path);
		else
			result = json_object();
	}
	buffer_free(&data);
	return result;
}
