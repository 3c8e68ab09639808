/* SPDX-License-Identifier: Apache-2.0 */
/* Done here and not by insmod(8), which is one more program to start for each module:
 * for the nine of Debian's cloud kernels that is a tenth of a second under TCG.
 */
#include "modules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LIST "/etc/modules"
#define FOLDER "/lib/modules"
#define LONGEST_NAME 256

/* Leaves errno where it fails. */
static bool load(const char *name)
{
	char path[sizeof(FOLDER) + 1 + LONGEST_NAME];
	int file, error;
	long status;

	snprintf(path, sizeof(path), FOLDER "/%s", name);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return false;
	status = syscall(SYS_finit_module, file, "", 0);
	error = errno;
	close(file);
	errno = error;
	return !status;
}

static void tell(const char *name, int error)
{
	FILE *console = fopen("/dev/console", "we");

	if (!console)
		return;
	fprintf(console, "agent: %s did not load: %s\n", name, strerror(error));
	fclose(console);
}

void load_modules(void)
{
	FILE *list = fopen(LIST, "re");
	char name[LONGEST_NAME];

	if (!list)
		return;
	while (fgets(name, sizeof(name), list)) {
		name[strcspn(name, "\n")] = 0;
		if (*name && !load(name))
			tell(name, errno);
	}
	fclose(list);
}
