// SPDX-License-Identifier: Apache-2.0
#include "request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bytes; the largest BTF of a distribution's kernel has 20 MB. */
#define MAX_PAYLOAD (128l << 20)

#define LINE_ROOM (64 << 10)

/* What one message may bring: SCM_MAX_FD in the kernel. */
#define MAX_AT_ONCE 253

/* What came in, and was not taken yet. */
static struct {
	char *text;
	size_t size, room;
	int descriptors[MAX_PAYLOADS];
	size_t count;
} inbox;

static void take_descriptors(struct msghdr *message)
{
	struct cmsghdr *each;

	for (each = CMSG_FIRSTHDR(message); each; each = CMSG_NXTHDR(message, each)) {
		const int *brought = (const int *)CMSG_DATA(each);
		size_t count = (each->cmsg_len - CMSG_LEN(0)) / sizeof(*brought);

		if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			if (inbox.count < MAX_PAYLOADS)
				inbox.descriptors[inbox.count++] = brought[i];
			else
				close(brought[i]);
		}
	}
}

static bool receive(void)
{
	union {
		char bytes[CMSG_SPACE(MAX_AT_ONCE * sizeof(int))];
		struct cmsghdr align;
	} beside;
	struct iovec into;
	struct msghdr message = {
		.msg_iov = &into,
		.msg_iovlen = 1,
		.msg_control = &beside,
		.msg_controllen = sizeof(beside),
	};
	ssize_t got;

	if (inbox.room - inbox.size < LINE_ROOM) {
		char *larger = realloc(inbox.text, inbox.room + LINE_ROOM);

		if (!larger)
			return false;
		inbox.text = larger;
		inbox.room += LINE_ROOM;
	}
	into.iov_base = inbox.text + inbox.size;
	into.iov_len = inbox.room - inbox.size;
	got = recvmsg(STDIN_FILENO, &message, MSG_CMSG_CLOEXEC);
	if (got <= 0)
		return false;
	take_descriptors(&message);
	inbox.size += got;
	return true;
}

/* Maps a file with zeros behind it. A file that shrinks meanwhile ends this process. */
static bool map(int descriptor, struct payload *payload)
{
	size_t whole = payload->size + PADDING;
	void *data = mmap(NULL, whole, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (data == MAP_FAILED)
		return false;
	payload->data = data;
	return !payload->size ||
	       mmap(data, payload->size, PROT_READ, MAP_PRIVATE | MAP_FIXED, descriptor,
		    0) != MAP_FAILED;
}

static bool map_payloads(struct request *request)
{
	json_t *list = json_object_get(request->json, "sizes"), *size;
	size_t i;

	if (json_array_size(list) != inbox.count)
		return false;
	json_array_foreach (list, i, size) {
		json_int_t length = json_integer_value(size);
		struct payload *payload = &request->payloads[i];

		if (length < 0 || length > MAX_PAYLOAD)
			return false;
		payload->size = length;
		if (!map(inbox.descriptors[i], payload))
			return false;
		request->count++;
	}
	return true;
}

bool request_read(struct request *request)
{
	bool ok;

	while (!inbox.size || inbox.text[inbox.size - 1] != '\n')
		if (!receive())
			return false;
	request->json = json_loadb(inbox.text, inbox.size, 0, NULL);
	inbox.size = 0;
	ok = map_payloads(request);
	while (inbox.count)
		close(inbox.descriptors[--inbox.count]);
	return ok;
}

void request_forget(struct request *request)
{
	for (size_t i = 0; i < request->count; i++)
		munmap(request->payloads[i].data, request->payloads[i].size + PADDING);
	json_decref(request->json);
	memset(request, 0, sizeof(*request));
}
