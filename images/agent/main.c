/* SPDX-License-Identifier: Apache-2.0 */
/* The guest agent: loads BPF objects for the runner, and makes their programs run. */
#include "entropy.h"
#include "hello.h"
#include "modules.h"
#include "old_code.h"
#include "session.h"
#include "trace.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define USAGE_STATUS 2
#define NO_SHELL_STATUS 127
#define SHELL "/bin/sh"
#define INIT "/bin/busybox"
/* What the kernel calls its first program. */
#define AS_INIT "/init"
#define TRACE "trace"

static int show_version(void)
{
	char libbpf[LIBBPF_VERSION_LENGTH];

	libbpf_version_text(libbpf);
	printf("agent %s, libbpf %s\n", AGENT_VERSION, libbpf);
	return EXIT_SUCCESS;
}

static int show_help(void);

/* Two things of a guest's start that are one program fewer to start together. */
static int prepare(void)
{
	load_modules();
	return credit_entropy();
}

static const struct {
	const char *name, *help;
	int (*run)(void);
} commands[] = {
	{"session", "answer requests, a JSON object a line, until the end of input",
	 session},
	{"prepare",
	 "load the modules of /etc/modules, and credit the kernel's entropy pool",
	 prepare},
	{"--version", "show the versions of the agent and its libbpf", show_version},
	{"--help", "show this", show_help},
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(*commands))

static void print_help(FILE *stream)
{
	fprintf(stream, "Usage: agent COMMAND\n\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(stream, "  %-16s%s\n", commands[i].name, commands[i].help);
	fprintf(stream, "  %-16s%s\n", TRACE " COMMAND…",
		"run a command, and keep the BPF instructions that it loads");
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

/* Returns the exit status of a command of this program; -1 when it is none. */
static int run(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (!strcmp(commands[i].name, name))
			return commands[i].run();
	return -1;
}

/* In guests this program is root's shell, in which dropbear runs what it is asked for:
 * a command of this program runs at once, where /bin/sh would be one more program to
 * start, which costs 20 ms under TCG. The rest is /bin/sh's. LINE is NULL for a log-in.
 */
static int run_as_shell(const char *line)
{
	static const char own[] = "/usr/bin/agent ";
	int status = -1;

	setenv("SHELL", SHELL, 1);
	if (line && !strncmp(line, own, strlen(own)))
		status = run(line + strlen(own));
	if (status >= 0)
		return status;
	if (line)
		execl(SHELL, "sh", "-c", line, NULL);
	else
		execl(SHELL, "-sh", NULL);
	perror(SHELL);
	return NO_SHELL_STATUS;
}

/* Where QEMU keeps old code, this program is the first in a guest: what one got before
 * can't be put right.
 */
static int run_as_init(char **argv)
{
	forget_old_code();
	argv[0] = "init";
	execv(INIT, argv);
	perror(INIT);
	return NO_SHELL_STATUS;
}

int main(int argc, char **argv)
{
	int status = -1;

	if (!strcmp(argv[0], AS_INIT))
		return run_as_init(argv);
	have_standard_descriptors();
	if (argc == 3 && !strcmp(argv[1], "-c"))
		return run_as_shell(argv[2]);
	if (argc == 1 && argv[0][0] == '-')
		return run_as_shell(NULL);
	if (argc > 2 && !strcmp(argv[1], TRACE))
		return trace(argv + 2);
	if (argc == 2)
		status = run(argv[1]);
	if (status >= 0)
		return status;
	print_help(stderr);
	return USAGE_STATUS;
}
