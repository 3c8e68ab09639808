/* SPDX-License-Identifier: Apache-2.0 */
/* A loader as users write them: loads an object, attaches what it holds, and stays
 * until it is told to end. "idle" attaches nothing, "mute" does not say when it is
 * ready.
 */
#include <bpf/libbpf.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void end(int number)
{
	(void)number;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[2] : "";
	struct sigaction action = {.sa_handler = end};
	struct bpf_object *object = bpf_object__open(argv[1]);
	struct bpf_program *program;

	sigaction(SIGINT, &action, NULL);
	if (!object || bpf_object__load(object))
		return 1;
	bpf_object__for_each_program (program, object)
		if (strcmp(mode, "idle") && !bpf_program__attach(program))
			return 2;
	if (strcmp(mode, "mute"))
		printf("ready\n");
	fflush(stdout);
	pause();
	printf("done\n");
	return 3;
}
