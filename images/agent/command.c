/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include "arguments.h"
#include "children.h"
#include "clock.h"
#include "protocol.h"
#include "recorder.h"
#include "root.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_OUTPUT (16u << 20)
#define MOST_MS (24 * 3600 * 1000)
/* How long a killed command may take to be gone. */
#define KILL_DEADLINE_NS (5 * NS_PER_SECOND)

struct command {
	char **argv;
	/* Bytes of each stream that are kept. */
	size_t most_output;
	struct buffer input;
	int64_t timeout_ns;
	/* Variables that are set beside the agent's own. */
	const json_t *environment;
	/* Whether output is sent as it comes, and not kept. */
	json_int_t streams;
	/* Whether what it loads is recorded, and sent as it comes. */
	json_int_t records;
	/* Names of maps that are kept when it has ended; NULL for none. */
	const json_t *held;
	/* The file that is its standard input in place of `input`; may be NULL. */
	const char *input_path;
	/* Its root; NULL for the agent's. */
	const char *root;
	/* Its working directory there; NULL for the agent's. */
	const char *folder;
	/* Whom it runs as; -1 for the agent's own. */
	json_int_t uid, gid;
};

/* What is read of one of a command's streams: its start, and its end, which often says
 * why a command failed. Both are at most `half` bytes long.
 */
struct output {
	int descriptor;
	/* What it is called in events; NULL if it is kept. */
	const char *name;
	size_t half;
	struct buffer head;
	/* Up to twice as long while the command runs. */
	struct buffer tail;
	/* Bytes between head and tail. */
	size_t left_out;
};

struct running {
	pid_t pid;
	/* Its standard input, -1 once all is written. */
	int input;
	size_t written;
	struct output out, err;
	struct recorder recorder;
	int64_t started;
	bool ended, timed_out;
	int status;
};

/* -------------------------------------------------------------- arguments */

static bool argv_argument(const json_t *request, char ***argv, struct failure *failure)
{
	static const char expected[] = "an array of texts that begins with a program";
	const json_t *words, *word;
	size_t i;

	if (!array_argument(request, "argv", &words, failure))
		return false;
	json_array_foreach (words, i, word) {
		if (json_is_string(word))
			continue;
		fail(failure,
		     "argument \"argv\" must be %s; its word %zu is not a text",
		     expected, i);
		return false;
	}
	if (!json_string_length(json_array_get(words, 0))) {
		fail(failure, "argument \"argv\" must be %s; it is empty", expected);
		return false;
	}
	*argv = must_resize(NULL, json_array_size(words) + 1, sizeof(**argv));
	json_array_foreach (words, i, word)
		(*argv)[i] = (char *)json_string_value(word);
	(*argv)[i] = NULL;
	return true;
}

static bool environment_argument(const json_t *request, const json_t **environment,
				 struct failure *failure)
{
	const char *name;
	json_t *value;

	if (!object_argument(request, "env", OPTIONAL, environment, failure))
		return false;
	json_object_foreach ((json_t *)*environment, name, value) {
		if (json_is_string(value) && *name && !strchr(name, '='))
			continue;
		fail(failure,
		     "argument \"env\" must map names without \"=\" to texts; "
		     "\"%s\" does not",
		     name);
		return false;
	}
	return true;
}

static bool held_argument(const json_t *request, const json_t **held,
			  struct failure *failure)
{
	const json_t *name;
	size_t i;

	if (!json_object_get(request, "hold"))
		return true;
	if (!array_argument(request, "hold", held, failure))
		return false;
	json_array_foreach (*held, i, name)
		if (!json_string_length(name))
			return wrong_argument(failure, "hold", "an array of names",
					      name);
	return true;
}

static bool command_arguments(const json_t *request, struct command *command,
			      struct failure *failure)
{
	json_int_t timeout_ms, most_output = MOST_OUTPUT;

	if (!integer_argument(request, "timeout_ms", REQUIRED, 1, MOST_MS, &timeout_ms,
			      failure) ||
	    !integer_argument(request, "most_output", OPTIONAL, 2, MOST_OUTPUT,
			      &most_output, failure) ||
	    !integer_argument(request, "stream", OPTIONAL, 0, 1, &command->streams,
			      failure) ||
	    !integer_argument(request, "record", OPTIONAL, 0, 1, &command->records,
			      failure) ||
	    !held_argument(request, &command->held, failure) ||
	    !text_argument(request, "stdin_path", OPTIONAL, &command->input_path,
			   failure) ||
	    !root_argument(request, &command->root, failure) ||
	    !text_argument(request, "cwd", OPTIONAL, &command->folder, failure) ||
	    !integer_argument(request, "uid", OPTIONAL, 0, INT32_MAX, &command->uid,
			      failure) ||
	    !integer_argument(request, "gid", OPTIONAL, 0, INT32_MAX, &command->gid,
			      failure) ||
	    !environment_argument(request, &command->environment, failure) ||
	    !bytes_argument(request, "stdin", OPTIONAL, &command->input, failure) ||
	    !argv_argument(request, &command->argv, failure))
		return false;
	command->timeout_ns = timeout_ms * NS_PER_MS;
	command->most_output = (size_t)most_output;
	return true;
}

/* ------------------------------------------------------------------ start */

enum { IN, OUT, ERR, EXEC, PIPES };

static void close_pipes(int pipes[PIPES][2])
{
	for (int i = 0; i < PIPES; i++)
		for (int end = 0; end < 2; end++)
			if (pipes[i][end] >= 0)
				close(pipes[i][end]);
}

static bool make_pipes(int pipes[PIPES][2])
{
	for (int i = 0; i < PIPES; i++)
		pipes[i][0] = pipes[i][1] = -1;
	for (int i = 0; i < PIPES; i++)
		if (pipe2(pipes[i], O_CLOEXEC) < 0)
			return false;
	return true;
}

/* Becomes the user that the command runs as; false with errno. */
static bool become(const struct command *command)
{
	gid_t gid = (gid_t)(command->gid < 0 ? command->uid : command->gid);

	if (command->uid < 0)
		return true;
	return setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0 &&
	       setresuid((uid_t)command->uid, (uid_t)command->uid,
			 (uid_t)command->uid) == 0;
}

/* Has the command read its standard input from a file; false with errno. */
static bool open_input(const struct command *command, int *descriptor)
{
	if (!command->input_path)
		return true;
	*descriptor = open(command->input_path, O_RDONLY | O_CLOEXEC);
	return *descriptor >= 0;
}

/* Has the command find its files in its root; false with errno. */
static bool enter_root(const struct command *command)
{
	return !command->root || (chroot(command->root) == 0 && chdir("/") == 0);
}

/* Where a new process failed on its way to its program. */
struct obstacle {
	enum { RUN, OPEN_INPUT, ENTER_ROOT, ENTER_FOLDER, BECOME_USER } step;
	int error;
};

static _Noreturn void execute(const struct command *command, int pipes[PIPES][2],
			      struct recorder *recorder, pid_t parent)
{
	const char *name;
	json_t *value;
	struct obstacle obstacle = {.step = RUN};
	int input = pipes[IN][0];

	setpgid(0, 0);
	if (command->records)
		recorder_submit(recorder);
	if (!open_input(command, &input)) {
		obstacle.step = OPEN_INPUT;
	} else if (!enter_root(command)) {
		obstacle.step = ENTER_ROOT;
	} else if (command->folder && chdir(command->folder) < 0) {
		obstacle.step = ENTER_FOLDER;
	} else if (!become(command)) {
		obstacle.step = BECOME_USER;
	} else {
		/* Not before: who becomes another user outlives its parent again. */
		die_with(parent);
		dup2(input, STDIN_FILENO);
		dup2(pipes[OUT][1], STDOUT_FILENO);
		dup2(pipes[ERR][1], STDERR_FILENO);
		json_object_foreach ((json_t *)command->environment, name, value)
			setenv(name, json_string_value(value), 1);
		execvp(command->argv[0], command->argv);
	}
	obstacle.error = errno;
	_exit(write(pipes[EXEC][1], &obstacle, sizeof(obstacle)) < 0 ? 126 : 127);
}

/* What kept the program from running; its error is 0 once it runs. */
static struct obstacle obstacle_from(int descriptor)
{
	struct obstacle obstacle = {0};
	ssize_t size;

	do
		size = read(descriptor, &obstacle, sizeof(obstacle));
	while (size < 0 && errno == EINTR);
	return size == sizeof(obstacle) ? obstacle : (struct obstacle){0};
}

static void fail_at(const struct command *command, struct obstacle obstacle,
		    struct failure *failure)
{
	switch (obstacle.step) {
	case OPEN_INPUT:
		fail_errno(failure, obstacle.error, "can't open %s",
			   command->input_path);
		break;
	case ENTER_ROOT:
		fail_errno(failure, obstacle.error, "can't make %s the root",
			   command->root);
		break;
	case ENTER_FOLDER:
		fail_errno(failure, obstacle.error, "can't enter the folder %s",
			   command->folder);
		break;
	case BECOME_USER:
		fail_errno(failure, obstacle.error, "can't become user %lld",
			   (long long)command->uid);
		break;
	default:
		fail_errno(failure, obstacle.error, "can't run %s", command->argv[0]);
	}
}

/* Takes a pipe's end out, so that close_pipes() leaves it open. */
static int taken(int *end)
{
	int descriptor = *end;

	*end = -1;
	fcntl(descriptor, F_SETFL, O_NONBLOCK);
	return descriptor;
}

static bool start(const struct command *command, struct running *running,
		  struct failure *failure)
{
	int pipes[PIPES][2];
	pid_t parent = getpid();
	struct obstacle obstacle;

	if (!make_pipes(pipes) ||
	    (command->records && !recorder_prepare(&running->recorder))) {
		fail_errno(failure, errno, "can't make pipes");
		close_pipes(pipes);
		recorder_end(&running->recorder);
		return false;
	}
	running->started = monotonic_ns();
	running->pid = fork();
	if (running->pid == 0)
		execute(command, pipes, &running->recorder, parent);
	if (running->pid < 0) {
		fail_errno(failure, errno, "can't fork");
		close_pipes(pipes);
		recorder_end(&running->recorder);
		return false;
	}
	if (command->records)
		recorder_start(&running->recorder, running->pid, command->held);
	close(pipes[EXEC][1]);
	pipes[EXEC][1] = -1;
	obstacle = obstacle_from(pipes[EXEC][0]);
	if (obstacle.error) {
		close_pipes(pipes);
		waitpid(running->pid, NULL, 0);
		recorder_end(&running->recorder);
		fail_at(command, obstacle, failure);
		return false;
	}
	if (command->streams) {
		running->out.name = "stdout";
		running->err.name = "stderr";
	}
	running->input = taken(&pipes[IN][1]);
	running->out.half = running->err.half = command->most_output / 2;
	running->out.descriptor = taken(&pipes[OUT][0]);
	running->err.descriptor = taken(&pipes[ERR][0]);
	close_pipes(pipes);
	return true;
}

/* ------------------------------------------------------------------ watch */

static void close_once(int *descriptor)
{
	if (*descriptor >= 0)
		close(*descriptor);
	*descriptor = -1;
}

/* Drops the start of the tail, so that it has at most `size` bytes. */
static void shorten_tail(struct output *output, size_t size)
{
	struct buffer *tail = &output->tail;
	size_t more;

	if (tail->size <= size)
		return;
	more = tail->size - size;
	memmove(tail->data, tail->data + more, size);
	tail->size = size;
	output->left_out += more;
}

static void keep(struct output *output, const unsigned char *bytes, size_t size)
{
	size_t room = output->half - output->head.size;
	size_t first = size < room ? size : room;

	buffer_append(&output->head, bytes, first);
	buffer_append(&output->tail, bytes + first, size - first);
	if (output->tail.size >= 2 * output->half)
		shorten_tail(output, output->half);
}

/* Sends a piece of output; false when nobody reads it. */
static bool send(const struct output *output, const unsigned char *bytes, size_t size)
{
	return send_event(json_pack("{s:s, s:o}", "stream", output->name, "data",
				    base64_json(bytes, size)));
}

/* Reads once; false when there is nothing to be read now, or ever, or nobody to read it
 * for.
 */
static bool read_some(struct output *output, size_t *size)
{
	static unsigned char chunk[1 << 16];
	ssize_t got;

	if (output->descriptor < 0)
		return false;
	got = read(output->descriptor, chunk, sizeof(chunk));
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (got <= 0) {
		close_once(&output->descriptor);
		return false;
	}
	*size = (size_t)got;
	if (output->name)
		return send(output, chunk, (size_t)got);
	/* Read on past the limit: a full pipe would stop the command. */
	keep(output, chunk, (size_t)got);
	return true;
}

/* Reads what the command wrote before it ended. No more than the pipe holds: what it
 * left behind may go on writing.
 */
static void read_rest(struct output *output)
{
	int capacity = fcntl(output->descriptor, F_GETPIPE_SZ);
	size_t left = capacity > 0 ? (size_t)capacity : 0, size;

	while (left && read_some(output, &size))
		left -= size < left ? size : left;
	close_once(&output->descriptor);
}

static void write_some(struct running *running, const struct buffer *input)
{
	size_t left = input->size - running->written;
	ssize_t size = 0;

	if (left)
		size = write(running->input, input->data + running->written, left);
	if (size > 0)
		running->written += (size_t)size;
	if (running->written == input->size ||
	    (size < 0 && errno != EAGAIN && errno != EINTR))
		close_once(&running->input);
}

static void look_whether_ended(struct running *running)
{
	children_signalled();
	if (waitpid(running->pid, &running->status, WNOHANG) == running->pid)
		running->ended = true;
}

static void kill_group(const struct running *running)
{
	kill(-running->pid, SIGKILL);
	/* A command may have left its group. */
	kill(running->pid, SIGKILL);
}

/* Waits for the command's next sign of life, or the deadline; false when nobody waits
 * for the answer any more.
 */
static bool watch(struct running *running, const struct command *command,
		  int64_t deadline)
{
	enum { INPUT, OUTPUT, ERRORS, RECORDS, CHILD, READER, COUNT };
	struct pollfd polled[COUNT] = {
		[INPUT] = {.fd = running->input, .events = POLLOUT},
		[OUTPUT] = {.fd = running->out.descriptor, .events = POLLIN},
		[ERRORS] = {.fd = running->err.descriptor, .events = POLLIN},
		[RECORDS] = {.fd = running->recorder.records[0], .events = POLLIN},
		[CHILD] = {.fd = children_descriptor(), .events = POLLIN},
		[READER] = {.fd = reply_descriptor()},
	};
	int64_t left = deadline - monotonic_ns();
	struct timespec time = timespec_of(left > 0 ? left : 0);
	size_t size;

	if (ppoll(polled, COUNT, &time, NULL) < 0)
		return errno == EINTR;
	if (polled[INPUT].revents)
		write_some(running, &command->input);
	if (polled[OUTPUT].revents)
		read_some(&running->out, &size);
	if (polled[ERRORS].revents)
		read_some(&running->err, &size);
	if (polled[RECORDS].revents)
		recorder_forward(&running->recorder);
	look_whether_ended(running);
	return !polled[READER].revents;
}

static void wait_for_end(struct running *running, const struct command *command)
{
	int64_t deadline = running->started + command->timeout_ns;

	look_whether_ended(running);
	while (!running->ended) {
		bool awaited = watch(running, command, deadline);

		if (running->ended)
			break;
		if (awaited && monotonic_ns() < deadline)
			continue;
		if (running->timed_out)
			break;
		kill_group(running);
		running->timed_out = true;
		deadline = monotonic_ns() + KILL_DEADLINE_NS;
	}
	read_rest(&running->out);
	read_rest(&running->err);
	close_once(&running->input);
	recorder_end(&running->recorder);
}

/* ------------------------------------------------------------------ reply */

/* What the command has left running; looking costs time where nobody wants to know. */
static json_t *left_json(bool wanted)
{
	json_t *left = json_array();

	if (wanted)
		children_strangers(left);
	return left;
}

static json_t *signal_json(int number)
{
	const char *name = sigabbrev_np(number);

	if (!name)
		return json_sprintf("SIG%d", number);
	return json_sprintf("SIG%s", name);
}

/* The text of an output, which is freed: two of them are much for a small guest. */
static json_t *take_text(struct output *output)
{
	char note[80];
	json_t *text;

	shorten_tail(output, output->half);
	if (output->left_out) {
		int length = snprintf(note, sizeof(note),
				      "\n[... %zu bytes are left out ...]\n",
				      output->left_out);

		buffer_append(&output->head, note, (size_t)length);
	}
	buffer_append(&output->head, output->tail.data, output->tail.size);
	buffer_free(&output->tail);
	text = text_json(output->head.data ? (char *)output->head.data : "",
			 output->head.size);
	buffer_free(&output->head);
	return text;
}

static json_t *reply(struct running *running)
{
	bool known = running->ended;
	int status = running->status;
	int64_t duration = monotonic_ns() - running->started;
	json_t *out = take_text(&running->out), *err = take_text(&running->err);

	return json_pack("{s:i, s:o, s:o, s:b, s:b, s:I, s:o, s:o, s:o}", "pid",
			 running->pid, "exit",
			 known && WIFEXITED(status) ? json_integer(WEXITSTATUS(status))
						    : json_null(),
			 "signal",
			 known && WIFSIGNALED(status) ? signal_json(WTERMSIG(status))
						      : json_null(),
			 "timed_out", running->timed_out, "truncated",
			 running->out.left_out || running->err.left_out, "duration_ms",
			 (json_int_t)(duration / NS_PER_MS), "stdout", out, "stderr",
			 err, "left", left_json(running->out.name));
}

json_t *run_operation(const json_t *request, struct failure *failure)
{
	struct command command = {.uid = -1, .gid = -1};
	struct running running = {.recorder = NO_RECORDER};
	json_t *done = NULL;

	if (command_arguments(request, &command, failure) &&
	    start(&command, &running, failure)) {
		wait_for_end(&running, &command);
		children_reap();
		done = reply(&running);
	}
	free(command.argv);
	buffer_free(&command.input);
	return done;
}
