/* SPDX-License-Identifier: Apache-2.0 */
#include "children.h"

#include "arguments.h"
#include "buffer.h"
#include "clock.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* A killed process is gone at once, unless it hangs in the kernel. */
#define END_DEADLINE_NS (5 * NS_PER_SECOND)
/* How long what is left has to call setsid(2): `setsid tool &` forks first, and its
 * shell may end before the child has run at all.
 */
#define SETTLE_NS (500 * NS_PER_MS)
#define SETTLE_PAUSE_NS (10 * NS_PER_MS)
/* A process further below the agent is not looked at. */
#define MOST_ANCESTORS 64

struct child {
	pid_t pid;
	/* It ended and was reaped: its pid may be another process's by now. */
	bool gone;
};

static struct child *children;
static size_t child_count;
static int ended = -1;

void children_start(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	ended = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

int children_descriptor(void)
{
	return ended;
}

void children_signalled(void)
{
	struct signalfd_siginfo info;

	while (read(ended, &info, sizeof(info)) == sizeof(info))
		continue;
}

void children_add(pid_t pid)
{
	children = must_resize(children, child_count + 1, sizeof(*children));
	children[child_count++] = (struct child){.pid = pid};
}

static struct child *find(pid_t pid)
{
	for (size_t i = 0; i < child_count; i++)
		if (children[i].pid == pid && !children[i].gone)
			return &children[i];
	for (size_t i = 0; i < child_count; i++)
		if (children[i].pid == pid)
			return &children[i];
	return NULL;
}

void children_reap(void)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
		struct child *child = find(pid);

		if (child)
			child->gone = true;
	}
}

void die_with(pid_t parent)
{
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	/* The agent may have died before the line above. */
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
}

char process_state(pid_t pid, pid_t *parent)
{
	char path[64], text[512];
	const char *after_comm;
	size_t size = 0;
	int ppid;
	char state;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (file) {
		size = fread(text, 1, sizeof(text) - 1, file);
		fclose(file);
	}
	text[size] = '\0';
	/* The comm stands in parentheses, and may hold some itself. */
	after_comm = strrchr(text, ')');
	if (!after_comm || sscanf(after_comm, ") %c %d", &state, &ppid) != 2)
		return 0;
	if (parent)
		*parent = ppid;
	return state;
}

static void kill_children_in_proc(void)
{
	DIR *processes = opendir("/proc");
	const struct dirent *entry;
	pid_t parent;

	while (processes && (entry = readdir(processes))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 0 && process_state(pid, &parent) && parent == getpid())
			kill(pid, SIGKILL);
	}
	if (processes)
		closedir(processes);
}

json_t *process_name_json(pid_t pid)
{
	char path[64], comm[64] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "re");
	if (file) {
		if (!fgets(comm, sizeof(comm), file))
			*comm = '\0';
		fclose(file);
	}
	comm[strcspn(comm, "\n")] = '\0';
	return string_json(comm);
}

/* The agent's child that a process is, or is below of; 0 if it is none of these. */
static pid_t child_above(pid_t pid)
{
	pid_t parent;

	for (int i = 0; i < MOST_ANCESTORS && process_state(pid, &parent); i++) {
		if (parent == getpid())
			return pid;
		pid = parent;
	}
	return 0;
}

/* Appends what is left now; returns whether any of it may still leave its session. */
static bool look_for_strangers(json_t *found)
{
	DIR *processes = opendir("/proc");
	const struct dirent *entry;
	bool may_leave = false;

	while (processes && (entry = readdir(processes))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10), above, session;
		char state = pid > 0 ? process_state(pid, NULL) : 0;

		if (!state || state == 'Z')
			continue;
		above = child_above(pid);
		session = getsid(pid);
		if (!above || find(above) || session < 0)
			continue;
		may_leave |= session == getsid(0);
		/* Of what stays in the session, the topmost process says enough. */
		if (above != pid && session == getsid(0))
			continue;
		json_array_append_new(found, json_pack("{s:i, s:o, s:b}", "pid", pid,
						       "name", process_name_json(pid),
						       "daemon", session != getsid(0)));
	}
	if (processes)
		closedir(processes);
	return may_leave;
}

void children_strangers(json_t *found)
{
	int64_t deadline = monotonic_ns() + SETTLE_NS;

	while (look_for_strangers(found) && monotonic_ns() < deadline) {
		pause_ns(SETTLE_PAUSE_NS);
		json_array_clear(found);
	}
}

void children_end(void)
{
	int64_t deadline = monotonic_ns() + END_DEADLINE_NS;

	for (size_t i = 0; i < child_count; i++)
		if (!children[i].gone)
			kill(children[i].pid, SIGKILL);
	/* A child's own children become the agent's, and are killed in the next round.
	 */
	for (;;) {
		kill_children_in_proc();
		children_reap();
		if (waitpid(-1, NULL, WNOHANG) < 0 || monotonic_ns() > deadline)
			break;
		pause_ns(NS_PER_MS);
	}
	free(children);
	children = NULL;
	child_count = 0;
}

json_t *release_operation(const json_t *request, struct failure *failure)
{
	json_int_t pid = 0;
	struct child *child;

	if (!integer_argument(request, "pid", OPTIONAL, 1, INT32_MAX, &pid, failure))
		return NULL;
	if (!pid) {
		children_end();
		return json_object();
	}
	child = find((pid_t)pid);
	if (!child)
		return fail(failure,
			    "argument \"pid\" must be a child that fork returned, "
			    "not %" JSON_INTEGER_FORMAT,
			    pid);
	if (!child->gone) {
		kill(child->pid, SIGKILL);
		while (waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
			continue;
	}
	*child = children[--child_count];
	return json_object();
}
