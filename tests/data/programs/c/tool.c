/* SPDX-License-Identifier: Apache-2.0 */
/* A program that needs a library of its own, and ends as its argument says. */
#define _DEFAULT_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int answer(void);

static void flood(long megabytes)
{
	static char line[1 << 10];

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\n';
	for (long i = 0; i < megabytes << 10; i++)
		fwrite(line, sizeof(line), 1, stdout);
}

int main(int argc, char **argv)
{
	const char *way = argc > 1 ? argv[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(way, "segv")) {
		puts("about to crash");
		raise(SIGSEGV);
	} else if (!strcmp(way, "daemon")) {
		if (daemon(0, 0) == 0)
			sleep(1000);
	} else if (!strcmp(way, "hang")) {
		puts("hanging");
		sleep(1000);
	} else if (!strcmp(way, "flood")) {
		flood(atol(argv[2]));
	}
	printf("%d\n", answer());
	return 0;
}
