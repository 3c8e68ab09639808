/* SPDX-License-Identifier: GPL-2.0 */
/* Runs a command and prints what it executes. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "execs.h"
#include "execs.skel.h"

static pid_t child;
static int seen;

static int print_exec(void *ctx, void *data, size_t size)
{
	const struct exec *event = data;

	if (event->pid != child)
		return 0;
	if (event->parent != getpid()) {
		fprintf(stderr, "%s has the parent %d, not %d\n", event->name,
			event->parent, getpid());
		return 0;
	}
	printf("%s is a child of this process\n", event->name);
	seen++;
	return 0;
}

/* Returns the pid of the command, which has ended. */
static pid_t run(char **words)
{
	pid_t pid = fork();

	if (pid == 0) {
		execvp(words[0], words);
		perror(words[0]);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return pid;
}

int main(int argc, char **argv)
{
	struct execs_bpf *skeleton;
	struct ring_buffer *events = NULL;

	if (argc < 2) {
		fprintf(stderr, "usage: execs COMMAND [ARGUMENT...]\n");
		return 2;
	}
	skeleton = execs_bpf__open_and_load();
	if (!skeleton)
		return 1;
	if (execs_bpf__attach(skeleton) == 0)
		events = ring_buffer__new(bpf_map__fd(skeleton->maps.events),
					  print_exec, NULL, NULL);
	if (events) {
		child = run(argv + 1);
		ring_buffer__consume(events);
		if (!seen)
			fprintf(stderr, "saw no execve() of %s\n", argv[1]);
	}
	ring_buffer__free(events);
	execs_bpf__destroy(skeleton);
	return seen ? 0 : 1;
}
