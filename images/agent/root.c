/* SPDX-License-Identifier: Apache-2.0 */
#include "root.h"

#include "arguments.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* This process's own root and working directory while it is in another one, or -1. */
static int own_root = -1, own_folder = -1;

bool root_argument(const json_t *request, const char **root, struct failure *failure)
{
	if (!text_argument(request, "root", OPTIONAL, root, failure))
		return false;
	if (!*root || **root == '/')
		return true;
	return fail(failure, "argument \"root\" must begin with /; it is %s", *root);
}

static int opened(const char *path)
{
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

bool root_enter(const char *root, struct failure *failure)
{
	if (!root)
		return true;
	own_root = opened("/");
	own_folder = opened(".");
	if (own_root >= 0 && own_folder >= 0 && chroot(root) == 0) {
		if (chdir("/") == 0)
			return true;
	}
	fail_errno(failure, errno, "can't make %s the root", root);
	root_leave();
	return false;
}

void root_leave(void)
{
	if (own_root >= 0 && (fchdir(own_root) < 0 || chroot(".") < 0)) {
		/* All that follows would look for its files in the wrong place. */
		perror("the agent can't return to its own root");
		abort();
	}
	if (own_folder >= 0 && fchdir(own_folder) < 0)
		perror("the agent can't return to its folder");
	if (own_root >= 0)
		close(own_root);
	if (own_folder >= 0)
		close(own_folder);
	own_root = own_folder = -1;
}
