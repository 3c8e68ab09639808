/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol.h"

#include "buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static FILE *replies;
/* Of the request that is being answered. */
static json_int_t answered;

void protocol_start(void)
{
	int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

	replies = out < 0 ? NULL : fdopen(out, "w");
	if (!replies) {
		perror("agent: standard output");
		exit(EXIT_FAILURE);
	}
	if (dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		close(STDOUT_FILENO);
}

int reply_descriptor(void)
{
	return fileno(replies);
}

bool send_reply(json_t *reply)
{
	/* Straight to the stream: a reply may be tens of megabytes. */
	bool sent = json_dumpf(reply, replies, JSON_COMPACT) == 0 &&
		    putc('\n', replies) != EOF && fflush(replies) == 0;

	json_decref(reply);
	return sent;
}

bool send_event(json_t *event)
{
	json_object_set_new(event, "id", json_integer(answered));
	return send_reply(event);
}

static json_t *parse(const char *line, size_t size, json_t **id,
		     struct failure *failure)
{
	json_error_t error;
	json_t *request = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error);

	if (!request)
		return fail(failure, "the line is not a JSON object: %s, at byte %d",
			    error.text, error.position);
	if (!json_is_object(request)) {
		json_decref(request);
		return fail(failure, "the line is another value than a JSON object");
	}
	if (!json_is_integer(json_object_get(request, "id"))) {
		json_decref(request);
		return fail(failure, "\"id\" must be an integer");
	}
	*id = json_incref(json_object_get(request, "id"));
	answered = json_integer_value(*id);
	if (!json_is_string(json_object_get(request, "op"))) {
		json_decref(request);
		return fail(failure, "\"op\" must be a text");
	}
	return request;
}

json_t *next_request(json_t **id, struct failure *failure)
{
	char *line = NULL;
	size_t capacity = 0;
	ssize_t size;
	json_t *request;

	*id = NULL;
	size = getline(&line, &capacity, stdin);
	if (size < 0) {
		free(line);
		if (errno == ENOMEM)
			out_of_memory();
		return NULL;
	}
	request = parse(line, (size_t)size, id, failure);
	free(line);
	return request;
}
