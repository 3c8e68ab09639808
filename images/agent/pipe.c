/* SPDX-License-Identifier: Apache-2.0 */
#include "pipe.h"

#include "arguments.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MOST_WRITES 16
#define MOST_BYTES 4096

/* Asks by FIONREAD, which is when programs look at the pipe. */
static json_t *ask(int descriptor, json_int_t writes, struct failure *failure)
{
	int waiting = 0;
	int size = fcntl(descriptor, F_GETPIPE_SZ);

	if (size < 0 || ioctl(descriptor, FIONREAD, &waiting) < 0)
		return fail_errno(failure, errno, "can't read the pipe's state");
	return json_pack("{s:i, s:i, s:i, s:I, s:i}", "pid", getpid(), "size", size,
			 "pages", size / (int)sysconf(_SC_PAGESIZE), "writes", writes,
			 "waiting", waiting);
}

json_t *pipe_operation(const json_t *request, struct failure *failure)
{
	static const char data[MOST_BYTES];
	json_int_t bytes, writes = 1;
	json_t *told = NULL;
	int ends[2];

	if (!integer_argument(request, "bytes", REQUIRED, 1, MOST_BYTES, &bytes,
			      failure) ||
	    !integer_argument(request, "writes", OPTIONAL, 1, MOST_WRITES, &writes,
			      failure))
		return NULL;
	/* O_DIRECT: each write takes a buffer of its own. */
	if (pipe2(ends, O_CLOEXEC | O_DIRECT | O_NONBLOCK) < 0)
		return fail_errno(failure, errno, "can't make a pipe");
	for (json_int_t i = 0; i < writes; i++)
		if (write(ends[1], data, (size_t)bytes) != bytes)
			fail_errno(failure, errno, "can't write to the pipe");
	if (!failure->message)
		told = ask(ends[0], writes, failure);
	close(ends[0]);
	close(ends[1]);
	return told;
}
