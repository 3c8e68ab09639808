/* SPDX-License-Identifier: Apache-2.0 */
#include "recorder.h"

#include "buffer.h"
#include "call_filter.h"
#include "children.h"
#include "failure.h"
#include "loading.h"
#include "protocol.h"
#include "text.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of a command; the rest is counted by nobody. */
#define MOST_RECORDS 5000
#define MOST_DESCRIPTORS 1024
/* What a command learns before it starts: that it is traced, with a filter or without.
 */
#define FILTERED 'f'
#define STEPPED 's'
#define OPTIONS                                                                        \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |            \
	 PTRACE_O_TRACECLONE | PTRACE_O_TRACESECCOMP)

/* ---------------------------------------------------------------- records */

static void write_record(int descriptor, json_t *record)
{
	char *line = record ? json_dumps(record, JSON_COMPACT) : NULL;
	size_t size = line ? strlen(line) : 0, written = 0;
	ssize_t got;

	if (line)
		line[size++] = '\n';
	while (written < size) {
		got = write(descriptor, line + written, size - written);
		if (got < 0 && errno != EINTR)
			break;
		written += got > 0 ? (size_t)got : 0;
	}
	free(line);
	json_decref(record);
}

/* Why nothing more is seen, or nothing at all. */
static json_t *missing_json(const char *why, int error)
{
	const char *name = errno_name(error);

	return json_pack("{s:s, s:s, s:s}", "call", "missing", "why", why, "error",
			 name ? name : "");
}

/* ---------------------------------------------------------------- tracing */

/* A thread in a call that is recorded once it is made. */
struct pending {
	pid_t thread;
	struct loading loading;
	/* It stopped once more before the call, as it does up to 4.7, where seccomp
	 * comes first.
	 */
	bool entered;
};

static struct pending *pending;
static size_t pending_count;
static int records = -1;
static size_t record_count;
/* Whether each call stops, because the kernel has no filters. */
static bool is_stepping;

static struct pending *pending_of(pid_t thread)
{
	for (size_t i = 0; i < pending_count; i++)
		if (pending[i].thread == thread)
			return &pending[i];
	return NULL;
}

static void forget(pid_t thread)
{
	struct pending *found = pending_of(thread);

	if (found)
		*found = pending[--pending_count];
}

/* Lets a thread go on; one in a call stops once more behind it. */
static void go_on(pid_t thread, int signal)
{
	bool stops = is_stepping || pending_of(thread);

	ptrace(stops ? PTRACE_SYSCALL : PTRACE_CONT, thread, NULL, signal);
}

static void add_record(json_t *record)
{
	if (!record)
		return;
	if (record_count < MOST_RECORDS)
		write_record(records, record);
	else
		json_decref(record);
	if (++record_count == MOST_RECORDS)
		write_record(records, missing_json("too_many", 0));
}

/* Stops tracing a process that another one wants to trace, at its next stop. */
static void release_to_another(pid_t thread)
{
	int status, signal;

	if (ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) < 0 ||
	    waitpid(thread, &status, __WALL) != thread || !WIFSTOPPED(status))
		return;
	signal = status >> 16 || WSTOPSIG(status) & 0x80 ? 0 : WSTOPSIG(status);
	forget(thread);
	ptrace(PTRACE_DETACH, thread, NULL, signal);
}

/* A process traces others itself, which only one can do at a time. Returns whether
 * `thread` is still traced.
 */
static bool make_way(pid_t thread, const struct call *call)
{
	add_record(missing_json("traced", 0));
	if (call->arguments[0] == PTRACE_TRACEME) {
		ptrace(PTRACE_DETACH, thread, NULL, NULL);
		return false;
	}
	release_to_another((pid_t)call->arguments[1]);
	return true;
}

static void begin(pid_t thread)
{
	struct call call;

	if (!tracee_call(thread, &call))
		return;
	if (is_stepping && (call.result != -ENOSYS || !call_filter_stops(&call))) {
		go_on(thread, 0);
		return;
	}
	if (call.number == SYS_ptrace) {
		if (make_way(thread, &call))
			go_on(thread, 0);
		return;
	}
	if (record_count < MOST_RECORDS) {
		pending = must_resize(pending, pending_count + 1, sizeof(*pending));
		pending[pending_count] =
			(struct pending){.thread = thread, .entered = is_stepping};
		loading_begin(thread, &call, &pending[pending_count++].loading);
	}
	go_on(thread, 0);
}

/* Whether the kernel makes the call anew, after a signal. */
static bool is_restarted(int64_t result)
{
	return result <= -512 && result >= -516;
}

static void end(pid_t thread)
{
	struct pending *found = pending_of(thread);
	struct call call;
	int64_t result;

	if (!tracee_call(thread, &call))
		return;
	result = call.result;
	if (result == -ENOSYS && !found->entered) {
		/* Either the call is still to be made, or there is no such call. */
		found->entered = true;
		go_on(thread, 0);
		return;
	}
	if (!is_restarted(result))
		add_record(loading_end(thread, &found->loading, result));
	forget(thread);
	go_on(thread, 0);
}

static bool is_group_stop(int signal)
{
	return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN ||
	       signal == SIGTTOU;
}

static void serve(pid_t thread, int status)
{
	int signal = WSTOPSIG(status), event = status >> 16;

	if (event == PTRACE_EVENT_SECCOMP)
		begin(thread);
	else if (event == PTRACE_EVENT_STOP && is_group_stop(signal))
		ptrace(PTRACE_LISTEN, thread, NULL, NULL);
	else if (event)
		go_on(thread, 0);
	else if (signal == (SIGTRAP | 0x80) && pending_of(thread))
		end(thread);
	else if (signal == (SIGTRAP | 0x80))
		begin(thread);
	else
		go_on(thread, signal);
}

/* Keeps of all descriptors only those that it needs: a program that the agent holds
 * would be held on, and the runner would not notice that the agent is gone.
 */
static void close_others(int ready, int out)
{
	for (int i = STDERR_FILENO + 1; i < MOST_DESCRIPTORS; i++)
		if (i != ready && i != out)
			close(i);
}

/* Has a command stop at its next call; it waits for a word from here. */
static void step(pid_t command)
{
	int status;

	if (ptrace(PTRACE_INTERRUPT, command, NULL, NULL) == 0 &&
	    waitpid(command, &status, __WALL) == command && WIFSTOPPED(status))
		go_on(command, 0);
}

static _Noreturn void record(const struct recorder *recorder, pid_t command,
			     const json_t *held, pid_t parent)
{
	int ready = recorder->ready[1], status;
	pid_t thread;

	setpgid(0, 0);
	die_with(parent);
	signal(SIGPIPE, SIG_IGN);
	records = recorder->records[1];
	close_others(ready, records);
	libbpf_set_print(NULL);
	loading_hold(held);
	if (ptrace(PTRACE_SEIZE, command, NULL, OPTIONS) < 0) {
		add_record(missing_json("not_traceable", errno));
		_exit(EXIT_FAILURE);
	}
	is_stepping = !call_filter_is_possible();
	if (is_stepping && !call_marks_entry) {
		add_record(missing_json("no_filter", ENOSYS));
		_exit(EXIT_FAILURE);
	}
	if (is_stepping)
		step(command);
	if (write(ready, &(char){is_stepping ? STEPPED : FILTERED}, 1) < 0)
		_exit(EXIT_FAILURE);
	close(ready);
	for (;;) {
		thread = waitpid(-1, &status, __WALL);
		if (thread < 0 && errno != EINTR)
			break;
		if (thread > 0 && WIFSTOPPED(status))
			serve(thread, status);
		else if (thread > 0)
			forget(thread);
	}
	while (loading_holds())
		pause();
	_exit(EXIT_SUCCESS);
}

/* ------------------------------------------------------------ the agent's */

static void close_once(int *descriptor)
{
	if (*descriptor >= 0)
		close(*descriptor);
	*descriptor = -1;
}

bool recorder_prepare(struct recorder *recorder)
{
	return pipe2(recorder->ready, O_CLOEXEC) == 0 &&
	       pipe2(recorder->records, O_CLOEXEC) == 0;
}

void recorder_submit(struct recorder *recorder)
{
	char answer = 0;
	ssize_t size;

	/* Else nobody could be waited for whose end closes it. */
	close_once(&recorder->ready[1]);
	do
		size = read(recorder->ready[0], &answer, 1);
	while (size < 0 && errno == EINTR);
	if (size == 1 && answer == FILTERED && !call_filter_install())
		write_record(recorder->records[1], missing_json("no_filter", errno));
}

void recorder_start(struct recorder *recorder, pid_t command, const json_t *held)
{
	pid_t parent = getpid(), pid = fork();

	if (pid == 0)
		record(recorder, command, held, parent);
	close_once(&recorder->ready[0]);
	/* Without a recorder the command goes on. */
	close_once(&recorder->ready[1]);
	if (pid > 0)
		children_add(pid);
	else
		write_record(recorder->records[1], missing_json("no_process", errno));
	close_once(&recorder->records[1]);
	fcntl(recorder->records[0], F_SETFL, O_NONBLOCK);
}

static bool forward(const char *line, size_t size)
{
	json_t *record = json_loadb(line, size, 0, NULL);

	return !record || send_event(json_pack("{s:o}", "record", record));
}

bool recorder_forward(struct recorder *recorder)
{
	struct buffer *left = &recorder->left;
	unsigned char chunk[1 << 12];
	ssize_t got = read(recorder->records[0], chunk, sizeof(chunk));
	size_t start = 0;
	bool sent = true;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (got <= 0) {
		close_once(&recorder->records[0]);
		return false;
	}
	buffer_append(left, chunk, (size_t)got);
	for (size_t i = 0; i < left->size && sent; i++) {
		if (left->data[i] != '\n')
			continue;
		sent = forward((char *)left->data + start, i - start);
		start = i + 1;
	}
	memmove(left->data, left->data + start, left->size - start);
	left->size -= start;
	return sent;
}

void recorder_end(struct recorder *recorder)
{
	/* All that the command did was written before its end was reported. What it
	 * left running may go on, and nobody reads that any more.
	 */
	while (recorder_forward(recorder))
		continue;
	for (int i = 0; i < 2; i++) {
		close_once(&recorder->ready[i]);
		close_once(&recorder->records[i]);
	}
	buffer_free(&recorder->left);
}
