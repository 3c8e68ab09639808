/* SPDX-License-Identifier: Apache-2.0 */
#include "census_network.h"

#include "text.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* Of an answer of the kernel, which answers in parts of up to 32 KiB. */
#define PART (32 << 10)
#define DEADLINE_SECONDS 5

typedef json_t *(*describe)(const struct nlmsghdr *message);

static const struct rtattr *attribute_of(const struct rtattr *first, int length,
					 int type)
{
	for (; RTA_OK(first, length); first = RTA_NEXT(first, length))
		if ((first->rta_type & NLA_TYPE_MASK) == type)
			return first;
	return NULL;
}

static const char *text_of(const struct rtattr *attribute)
{
	return attribute ? RTA_DATA(attribute) : "";
}

static unsigned int number_of(const struct rtattr *attribute)
{
	unsigned int number = 0;

	if (attribute && RTA_PAYLOAD(attribute) >= sizeof(number))
		memcpy(&number, RTA_DATA(attribute), sizeof(number));
	return number;
}

static json_t *interface(const struct nlmsghdr *message)
{
	const struct ifinfomsg *info = NLMSG_DATA(message);
	const struct rtattr *first = IFLA_RTA(info);
	int length = (int)IFLA_PAYLOAD(message);
	const struct rtattr *xdp = attribute_of(first, length, IFLA_XDP), *how = NULL;
	char line[256];

	if (xdp)
		how = attribute_of(RTA_DATA(xdp), (int)RTA_PAYLOAD(xdp),
				   IFLA_XDP_ATTACHED);
	snprintf(line, sizeof(line), "%d %s flags %x mtu %u master %u xdp %u",
		 info->ifi_index, text_of(attribute_of(first, length, IFLA_IFNAME)),
		 info->ifi_flags, number_of(attribute_of(first, length, IFLA_MTU)),
		 number_of(attribute_of(first, length, IFLA_MASTER)),
		 how ? *(const unsigned char *)RTA_DATA(how) : 0);
	return string_json(line);
}

static json_t *address(const struct nlmsghdr *message)
{
	const struct ifaddrmsg *info = NLMSG_DATA(message);
	const struct rtattr *own =
		attribute_of(IFA_RTA(info), (int)IFA_PAYLOAD(message), IFA_ADDRESS);
	char line[256];
	int end = snprintf(line, sizeof(line), "%u /%u ", info->ifa_index,
			   info->ifa_prefixlen);

	for (size_t i = 0; own && i < RTA_PAYLOAD(own) && i < 16; i++)
		end += snprintf(line + end, sizeof(line) - (size_t)end, "%02x",
				((const unsigned char *)RTA_DATA(own))[i]);
	return string_json(line);
}

static json_t *qdisc(const struct nlmsghdr *message)
{
	const struct tcmsg *info = NLMSG_DATA(message);
	const struct rtattr *kind =
		attribute_of(TCA_RTA(info), (int)TCA_PAYLOAD(message), TCA_KIND);
	char line[256];

	snprintf(line, sizeof(line), "%d %s handle %x parent %x", info->tcm_ifindex,
		 text_of(kind), info->tcm_handle, info->tcm_parent);
	return string_json(line);
}

/* `size` is that of the kind's own header: what follows would be attributes. */
static bool ask(int netlink, unsigned short type, size_t size)
{
	struct {
		struct nlmsghdr head;
		/* The largest of the three. */
		struct tcmsg body;
	} request = {0};

	request.head.nlmsg_len = NLMSG_LENGTH((unsigned int)size);
	request.head.nlmsg_type = type;
	request.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	return send(netlink, &request, request.head.nlmsg_len, 0) ==
	       (ssize_t)request.head.nlmsg_len;
}

/* Appends what comes, up to its end; false where the kernel refuses or breaks off. */
static bool take_all(int netlink, describe each, json_t *found)
{
	static char part[PART] __attribute__((aligned(NLMSG_ALIGNTO)));

	for (;;) {
		ssize_t size = recv(netlink, part, sizeof(part), 0);
		const struct nlmsghdr *message = (const void *)part;
		unsigned int left = (unsigned int)size;

		if (size <= 0)
			return false;
		for (; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
			if (message->nlmsg_type == NLMSG_DONE)
				return true;
			if (message->nlmsg_type == NLMSG_ERROR)
				return false;
			json_array_append_new(found, each(message));
		}
	}
}

static json_t *dump(unsigned short type, size_t size, describe each)
{
	struct timeval deadline = {.tv_sec = DEADLINE_SECONDS};
	int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	json_t *found = json_array();
	bool is_whole;

	if (netlink < 0) {
		json_decref(found);
		return json_null();
	}
	setsockopt(netlink, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline));
	is_whole = ask(netlink, type, size) && take_all(netlink, each, found);
	close(netlink);
	if (is_whole)
		return found;
	json_decref(found);
	return json_null();
}

json_t *interfaces_json(void)
{
	return dump(RTM_GETLINK, sizeof(struct ifinfomsg), interface);
}

json_t *addresses_json(void)
{
	return dump(RTM_GETADDR, sizeof(struct ifaddrmsg), address);
}

json_t *qdiscs_json(void)
{
	return dump(RTM_GETQDISC, sizeof(struct tcmsg), qdisc);
}
