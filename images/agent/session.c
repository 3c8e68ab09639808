/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include "acts.h"
#include "aftermath.h"
#include "append.h"
#include "attach.h"
#include "bpf_calls.h"
#include "census.h"
#include "children.h"
#include "command.h"
#include "drain.h"
#include "failure.h"
#include "files.h"
#include "fill.h"
#include "functions.h"
#include "held.h"
#include "hello.h"
#include "iterate.h"
#include "kernel_log.h"
#include "load.h"
#include "log.h"
#include "maps.h"
#include "network.h"
#include "object.h"
#include "open.h"
#include "pipe.h"
#include "protocol.h"
#include "runs.h"
#include "snapshot.h"
#include "suggest.h"
#include "test_run.h"
#include "text.h"
#include "there.h"
#include "triggers.h"
#include "user.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define MOST_ARGUMENTS 13

static const struct operation {
	const char *name;
	operation_function *run;
	const char *arguments[MOST_ARGUMENTS];
	/* Whether it calls libbpf, whose words go into the reply. */
	bool logs;
} operations[] = {
	{"hello", hello_operation, {0}, false},
	{"put", put_operation, {"path", "data", "mode"}, false},
	{"append",
	 append_operation,
	 {"path", "at", "data", "size", "mode", "last", "root"},
	 false},
	{"read", read_operation, {"path", "max", "root"}, false},
	{"open",
	 open_operation,
	 {"object", "path", "name", "btf", "programs", "loader", "maps", "variables",
	  "token"},
	 true},
	{"there", there_operation, {"places"}, true},
	{"functions", functions_operation, {0}, false},
	{"bpf", bpf_operation, {"calls"}, true},
	{"load", load_operation, {"handle", "log_level", "user"}, true},
	{"adopt", adopt_operation, {"programs", "maps"}, true},
	{"instructions", instructions_operation, {"handle", "program"}, true},
	{"attach", attach_operation, {"handle", "program", "target", "user"}, true},
	{"register", register_operation, {"handle", "map", "user"}, true},
	{"detach", detach_operation, {"handle", "program"}, true},
	{"close", close_operation, {"handle"}, true},
	{"test_run",
	 test_run_operation,
	 {"handle", "program", "data", "ctx", "repeat"},
	 true},
	{"fill", fill_operation, {"handle", "map", "rows"}, true},
	{"dump", dump_operation, {"handle", "map"}, true},
	{"runs", runs_operation, {"handle"}, true},
	{"listen", listen_operation, {"handle", "map"}, true},
	{"drain", drain_operation, {"handle", "map"}, true},
	{"iterate", iterate_operation, {"handle", "program"}, true},
	{"fork", fork_operation, {"comm", "spin"}, false},
	{"release", release_operation, {"pid"}, false},
	{"syscall", syscall_operation, {"name", "times"}, false},
	{"sleep", sleep_operation, {"seconds"}, false},
	{"udp",
	 udp_operation,
	 {"bytes", "port", "times", "ip", "received", "options"},
	 false},
	{"tcp", tcp_operation, {"bytes", "port", "times", "ip", "accepted"}, false},
	{"act", act_operation, {"acts", "comm", "folder"}, false},
	{"pipe", pipe_operation, {"bytes", "writes"}, false},
	{"census", census_operation, {"sysctls"}, false},
	{"aftermath", aftermath_operation, {"begin"}, false},
	{"settle", settle_operation, {"most"}, false},
	{"wake", wake_operation, {"time_ns", "entropy"}, false},
	{"run",
	 run_operation,
	 {"argv", "stdin", "timeout_ms", "env", "most_output", "stream", "stdin_path",
	  "cwd", "uid", "gid", "record", "hold", "root"},
	 false},
};
#define OPERATION_COUNT (sizeof(operations) / sizeof(*operations))

static const struct operation *find_operation(const char *name, struct failure *failure)
{
	const char *names[OPERATION_COUNT];
	char *near;

	for (size_t i = 0; i < OPERATION_COUNT; i++) {
		names[i] = operations[i].name;
		if (!strcmp(names[i], name))
			return &operations[i];
	}
	near = suggest_names(name, names, OPERATION_COUNT);
	fail(failure, "\"op\": there is no operation \"%s\": %s", name, near);
	free(near);
	return NULL;
}

static bool knows_argument(const struct operation *operation, const char *name)
{
	for (size_t i = 0; i < MOST_ARGUMENTS && operation->arguments[i]; i++)
		if (!strcmp(operation->arguments[i], name))
			return true;
	return !strcmp(name, "id") || !strcmp(name, "op");
}

static bool check_arguments(const struct operation *operation, const json_t *request,
			    struct failure *failure)
{
	const char *name;
	json_t *value;
	size_t count = 0;
	char *near;

	json_object_foreach ((json_t *)request, name, value) {
		if (knows_argument(operation, name))
			continue;
		while (count < MOST_ARGUMENTS && operation->arguments[count])
			count++;
		near = suggest_names(name, operation->arguments, count);
		fail(failure, "%s takes no argument \"%s\": %s", operation->name, name,
		     near);
		free(near);
		return false;
	}
	return true;
}

static json_t *failure_json(const struct failure *failure)
{
	const char *name = errno_name(failure->error);

	return json_pack("{s:{s:o, s:o}}", "error", "message",
			 string_json(failure->message), "errno",
			 name ? json_string(name) : json_null());
}

/* What the operation gives; NULL with a failure. Libbpf's words go into `*log`. */
static json_t *answer(const json_t *request, json_t **log, struct failure *failure)
{
	const char *name = json_string_value(json_object_get(request, "op"));
	const struct operation *operation = find_operation(name, failure);
	json_t *given = NULL;

	log_clear();
	if (operation && check_arguments(operation, request, failure))
		given = run_as_user(operation->run, request, failure);
	if (!given || operation->logs)
		*log = log_json();
	return given;
}

/* Takes over `id`, `given` and `log`, each of which may be NULL. */
static json_t *reply_json(json_t *id, json_t *given, json_t *log,
			  const struct failure *failure)
{
	json_t *reply = json_pack("{s:o, s:b}", "id", id ? id : json_null(), "ok",
				  given != NULL);

	if (!given)
		given = failure_json(failure);
	json_object_update(reply, given);
	json_decref(given);
	if (log)
		json_object_set_new(reply, "log", log);
	return reply;
}

/* Answers one line; false at the end of input, or when nobody reads any more. */
static bool answer_next(void)
{
	struct failure failure = {0};
	json_t *id, *given = NULL, *log = NULL;
	json_t *request = next_request(&id, &failure);
	json_t *reply;

	if (!request && !failure.message)
		return false;
	if (request)
		given = answer(request, &log, &failure);
	else
		log = json_string("");
	json_decref(request);
	reply = reply_json(id, given, log, &failure);
	free(failure.message);
	return send_reply(reply);
}

int session(void)
{
	struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};

	/* Maps are charged against it before 5.11. */
	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	signal(SIGPIPE, SIG_IGN);
	protocol_start();
	log_start();
	kernel_log_start();
	children_start();
	while (answer_next())
		continue;
	objects_end();
	children_end();
	log_clear();
	return EXIT_SUCCESS;
}
