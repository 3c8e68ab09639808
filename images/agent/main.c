/* SPDX-License-Identifier: Apache-2.0 */
/* The guest agent: loads BPF objects for the runner, and makes their programs run. */
#include "entropy.h"
#include "hello.h"
#include "session.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define USAGE_STATUS 2

static int show_version(void)
{
	char libbpf[LIBBPF_VERSION_LENGTH];

	libbpf_version_text(libbpf);
	printf("agent %s, libbpf %s\n", AGENT_VERSION, libbpf);
	return EXIT_SUCCESS;
}

static int show_help(void);

static const struct {
	const char *name, *help;
	int (*run)(void);
} commands[] = {
	{"session", "answer requests, a JSON object a line, until the end of input",
	 session},
	{"credit-entropy",
	 "credit the kernel's entropy pool, for guests that have none", credit_entropy},
	{"--version", "show the versions of the agent and its libbpf", show_version},
	{"--help", "show this", show_help},
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(*commands))

static void print_help(FILE *stream)
{
	fprintf(stream, "Usage: agent COMMAND\n\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(stream, "  %-16s%s\n", commands[i].name, commands[i].help);
}

static int show_help(void)
{
	print_help(stdout);
	return EXIT_SUCCESS;
}

/* A descriptor that is opened later must not become a standard one. */
static void have_standard_descriptors(void)
{
	int descriptor;

	do
		descriptor = open("/dev/null", O_RDWR);
	while (descriptor >= 0 && descriptor <= STDERR_FILENO);
	if (descriptor >= 0)
		close(descriptor);
}

int main(int argc, char **argv)
{
	have_standard_descriptors();
	for (size_t i = 0; argc == 2 && i < COMMAND_COUNT; i++)
		if (!strcmp(commands[i].name, argv[1]))
			return commands[i].run();
	print_help(stderr);
	return USAGE_STATUS;
}
