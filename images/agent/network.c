/* SPDX-License-Identifier: Apache-2.0 */
#include "network.h"

#include "arguments.h"
#include "protocol.h"
#include "usdt.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define MOST_PACKETS 100000
#define MOST_CONNECTIONS 10000
#define MOST_PAYLOAD 65507
/* Less than the buffers of a connection hold: sender and receiver are one process. */
#define MOST_SENT 16384
/* What the loopback never takes. */
#define MOST_WAIT_SECONDS 5

/* ---------------------------------------------------------------- loopback */

/* An address of the guest's loopback, of either family. */
struct endpoint {
	struct sockaddr_storage address;
	socklen_t length;
};

/* With port 0 for any. */
static struct endpoint loopback(int family, uint16_t port)
{
	struct endpoint made = {.length = sizeof(struct sockaddr_in)};

	if (family == AF_INET) {
		struct sockaddr_in *address = (struct sockaddr_in *)&made.address;

		*address =
			(struct sockaddr_in){.sin_family = AF_INET,
					     .sin_port = htons(port),
					     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	} else {
		struct sockaddr_in6 *address = (struct sockaddr_in6 *)&made.address;

		*address = (struct sockaddr_in6){.sin6_family = AF_INET6,
						 .sin6_port = htons(port),
						 .sin6_addr = in6addr_loopback};
		made.length = sizeof(*address);
	}
	return made;
}

static uint16_t port_of(const struct endpoint *endpoint)
{
	if (endpoint->address.ss_family == AF_INET)
		return ntohs(
			((const struct sockaddr_in *)&endpoint->address)->sin_port);
	return ntohs(((const struct sockaddr_in6 *)&endpoint->address)->sin6_port);
}

static const struct sockaddr *generic(const struct endpoint *endpoint)
{
	return (const struct sockaddr *)&endpoint->address;
}

/* Where a socket is bound to; its port is 0 when the kernel does not say. */
static struct endpoint bound_to(int made)
{
	struct endpoint found = {.length = sizeof(found.address)};

	if (getsockname(made, (struct sockaddr *)&found.address, &found.length) < 0)
		memset(&found, 0, sizeof(found));
	return found;
}

static void close_keeping_errno(int descriptor)
{
	int error = errno;

	close(descriptor);
	errno = error;
}

/* A socket bound to a port of the loopback, 0 for any; -1 with errno. */
static int bound_socket(int type, int family, uint16_t port)
{
	struct endpoint place = loopback(family, port);
	int made = socket(family, type | SOCK_CLOEXEC, 0), on = 1;

	if (made < 0)
		return -1;
	/* Connections that ended keep their port for a minute. */
	if ((type == SOCK_STREAM &&
	     setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0) ||
	    bind(made, generic(&place), place.length) < 0) {
		close_keeping_errno(made);
		return -1;
	}
	return made;
}

static bool family_argument(const json_t *request, int *family, struct failure *failure)
{
	json_int_t ip = 4;

	if (!integer_argument(request, "ip", OPTIONAL, 4, 6, &ip, failure))
		return false;
	if (ip == 5)
		return wrong_argument(failure, "ip", "4 or 6",
				      json_object_get(request, "ip"));
	*family = ip == 6 ? AF_INET6 : AF_INET;
	return true;
}

static bool switch_argument(const json_t *request, const char *name, bool *value,
			    struct failure *failure)
{
	const json_t *given = json_object_get(request, name);

	if (!given || json_is_null(given))
		return true;
	if (!json_is_boolean(given))
		return wrong_argument(failure, name, "true or false", given);
	*value = json_is_true(given);
	return true;
}

/* -------------------------------------------------------------------- udp */

/* Options of a sender that are on or off, and what the kernel keeps of each. */
static const struct socket_option {
	const char *name;
	int level, option;
} socket_options[] = {
	{"freebind", IPPROTO_IP, IP_FREEBIND},
	{"reuseport", SOL_SOCKET, SO_REUSEPORT},
	{"no_check", SOL_SOCKET, SO_NO_CHECK},
};
#define SOCKET_OPTION_COUNT (sizeof(socket_options) / sizeof(*socket_options))

static bool set_option(int made, const char *name, struct failure *failure)
{
	int on = 1;

	for (size_t i = 0; i < SOCKET_OPTION_COUNT; i++) {
		const struct socket_option *known = &socket_options[i];

		if (strcmp(name, known->name))
			continue;
		if (setsockopt(made, known->level, known->option, &on, sizeof(on)) < 0)
			fail_errno(failure, errno, "can't set %s", name);
		return !failure->message;
	}
	fail(failure,
	     "argument \"options\": \"%s\" is not freebind, reuseport or no_check",
	     name);
	return false;
}

static bool set_options(int made, const json_t *options, struct failure *failure)
{
	const json_t *option;
	size_t i;

	json_array_foreach ((json_t *)options, i, option) {
		if (!json_is_string(option))
			return wrong_argument(failure, "options", "a list of texts",
					      options);
		if (!set_option(made, json_string_value(option), failure))
			return false;
	}
	return true;
}

static json_t *asked(int made, int level, int option)
{
	int value = -1;
	socklen_t length = sizeof(value);

	if (getsockopt(made, level, option, &value, &length) < 0)
		return json_null();
	return json_integer(value);
}

/* What the kernel says that a socket is. */
static void describe(json_t *told, int made)
{
	json_object_set_new(told, "protocol", asked(made, SOL_SOCKET, SO_PROTOCOL));
	json_object_set_new(told, "type", asked(made, SOL_SOCKET, SO_TYPE));
	for (size_t i = 0; i < SOCKET_OPTION_COUNT; i++)
		json_object_set_new(
			told, socket_options[i].name,
			asked(made, socket_options[i].level, socket_options[i].option));
}

struct packets {
	json_int_t bytes, port, times;
	int family;
	/* Whether somebody receives them. Else the kernel drops each, and answers with
	 * an ICMP packet.
	 */
	bool received;
};

static json_t *send_packets(int sender, int receiver, const struct packets *packets,
			    struct failure *failure)
{
	struct endpoint target = loopback(packets->family, (uint16_t)packets->port);
	struct endpoint source = bound_to(sender);
	json_int_t received = 0;
	struct buffer payload = {0};
	char dropped;

	buffer_reserve(&payload, (size_t)packets->bytes);
	memset(payload.data, 'A', (size_t)packets->bytes);
	for (json_int_t i = 0; i < packets->times; i++) {
		USDT(agent, packet, packets->bytes);
		if (sendto(sender, payload.data, (size_t)packets->bytes, 0,
			   generic(&target), target.length) < 0) {
			buffer_free(&payload);
			return fail_errno(failure, errno, "can't send to the loopback");
		}
		if (receiver >= 0 &&
		    recv(receiver, &dropped, sizeof(dropped), MSG_DONTWAIT) >= 0)
			received++;
	}
	buffer_free(&payload);
	return json_pack("{s:i, s:I, s:i, s:I, s:I, s:I}", "pid", getpid(), "bytes",
			 packets->bytes, "source_port", port_of(&source), "port",
			 packets->port, "sent", packets->times, "received", received);
}

/* A socket that receives the packets, -1 where there is one already, or where nobody is
 * to receive them. Fails when somebody does then.
 */
static int receiver_of(const struct packets *packets, struct failure *failure)
{
	int made = bound_socket(SOCK_DGRAM, packets->family, (uint16_t)packets->port);

	if (packets->received)
		return made;
	if (made < 0)
		fail_errno(failure, errno, "port %d must have no receiver",
			   (int)packets->port);
	else
		close(made);
	return -1;
}

static json_t *send_from(int sender, const json_t *options,
			 const struct packets *packets, struct failure *failure)
{
	json_t *sent = NULL;
	int receiver;

	if (!set_options(sender, options, failure))
		return NULL;
	receiver = receiver_of(packets, failure);
	if (!failure->message)
		sent = send_packets(sender, receiver, packets, failure);
	if (sent)
		describe(sent, sender);
	if (receiver >= 0)
		close(receiver);
	return sent;
}

json_t *udp_operation(const json_t *request, struct failure *failure)
{
	struct packets packets = {.times = 1, .family = AF_INET, .received = true};
	const json_t *options = NULL;
	json_t *sent;
	int sender;

	if (!integer_argument(request, "bytes", REQUIRED, 0, MOST_PAYLOAD,
			      &packets.bytes, failure) ||
	    !integer_argument(request, "port", REQUIRED, 1, UINT16_MAX, &packets.port,
			      failure) ||
	    !integer_argument(request, "times", OPTIONAL, 1, MOST_PACKETS,
			      &packets.times, failure) ||
	    !family_argument(request, &packets.family, failure) ||
	    !switch_argument(request, "received", &packets.received, failure) ||
	    (json_object_get(request, "options") &&
	     !array_argument(request, "options", &options, failure)))
		return NULL;
	sender = bound_socket(SOCK_DGRAM, packets.family, 0);
	if (sender < 0)
		return fail_errno(failure, errno, "can't make a UDP socket");
	sent = send_from(sender, options, &packets, failure);
	close(sender);
	return sent;
}

/* -------------------------------------------------------------------- tcp */

struct connections {
	json_int_t bytes, port, times;
	int family;
	/* Whether somebody listens. Else the kernel refuses each connection. */
	bool accepted;

	/* What came of them. */
	json_int_t made, refused, received;
	uint16_t source_port;
};

static bool give_up_after(int made, struct failure *failure)
{
	struct timeval most = {.tv_sec = MOST_WAIT_SECONDS};

	if (setsockopt(made, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most)) < 0 ||
	    setsockopt(made, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most)) < 0)
		fail_errno(failure, errno, "can't set the timeouts of a socket");
	return !failure->message;
}

/* Sends the bytes through a connection, and receives them at its other end. */
static bool transfer(int client, int server, struct connections *connections,
		     struct failure *failure)
{
	char payload[MOST_SENT];
	json_int_t left = connections->bytes;
	ssize_t size;

	memset(payload, 'A', sizeof(payload));
	if (left && send(client, payload, (size_t)left, MSG_NOSIGNAL) != left) {
		fail_errno(failure, errno, "can't send over the connection");
		return false;
	}
	while (left > 0) {
		size = recv(server, payload, sizeof(payload), 0);
		if (size <= 0) {
			fail_errno(failure, size ? errno : ECONNRESET,
				   "can't receive from the connection");
			return false;
		}
		left -= size;
		connections->received += size;
	}
	return true;
}

static bool accept_and_transfer(int client, int listener,
				struct connections *connections,
				struct failure *failure)
{
	int server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	bool good;

	if (server < 0) {
		fail_errno(failure, errno, "can't accept the connection");
		return false;
	}
	connections->made++;
	good = give_up_after(server, failure) &&
	       transfer(client, server, connections, failure);
	close(server);
	return good;
}

/* One connection: made, used, and ended by the client first. */
static bool connect_once(int listener, struct connections *connections,
			 struct failure *failure)
{
	struct endpoint target =
		loopback(connections->family, (uint16_t)connections->port);
	struct endpoint source;
	int client = socket(connections->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool good = false;

	if (client < 0) {
		fail_errno(failure, errno, "can't make a TCP socket");
		return false;
	}
	if (!give_up_after(client, failure))
		;
	else if (connect(client, generic(&target), target.length) == 0) {
		source = bound_to(client);
		connections->source_port = port_of(&source);
		if (listener < 0)
			fail(failure, "port %d must have no listener",
			     (int)connections->port);
		else
			good = accept_and_transfer(client, listener, connections,
						   failure);
	} else if (listener < 0 && errno == ECONNREFUSED) {
		source = bound_to(client);
		connections->source_port = port_of(&source);
		connections->refused++;
		good = true;
	} else {
		fail_errno(failure, errno, "can't connect to port %d",
			   (int)connections->port);
	}
	close(client);
	return good;
}

/* A socket that listens; -1 with a failure. */
static int listening(const struct connections *connections, struct failure *failure)
{
	int made = bound_socket(SOCK_STREAM, connections->family,
				(uint16_t)connections->port);

	if (made >= 0 && listen(made, 1) < 0) {
		close_keeping_errno(made);
		made = -1;
	}
	if (made < 0)
		fail_errno(failure, errno, "can't listen at port %d",
			   (int)connections->port);
	else if (!give_up_after(made, failure)) {
		close(made);
		made = -1;
	}
	return made;
}

json_t *tcp_operation(const json_t *request, struct failure *failure)
{
	struct connections connections = {
		.times = 1, .family = AF_INET, .accepted = true};
	bool good = true;
	int listener = -1;

	if (!integer_argument(request, "bytes", REQUIRED, 0, MOST_SENT,
			      &connections.bytes, failure) ||
	    !integer_argument(request, "port", REQUIRED, 1, UINT16_MAX,
			      &connections.port, failure) ||
	    !integer_argument(request, "times", OPTIONAL, 1, MOST_CONNECTIONS,
			      &connections.times, failure) ||
	    !family_argument(request, &connections.family, failure) ||
	    !switch_argument(request, "accepted", &connections.accepted, failure))
		return NULL;
	if (connections.accepted) {
		listener = listening(&connections, failure);
		if (listener < 0)
			return NULL;
	}
	for (json_int_t i = 0; good && i < connections.times; i++)
		good = connect_once(listener, &connections, failure);
	if (listener >= 0)
		close(listener);
	if (!good)
		return NULL;
	return json_pack("{s:i, s:I, s:i, s:I, s:I, s:I, s:I}", "pid", getpid(),
			 "bytes", connections.bytes, "source_port",
			 connections.source_port, "port", connections.port,
			 "connections", connections.made, "refused",
			 connections.refused, "received", connections.received);
}
