/* SPDX-License-Identifier: Apache-2.0 */
#include "hello.h"

#include "text.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

void libbpf_version_text(char text[LIBBPF_VERSION_LENGTH])
{
	snprintf(text, LIBBPF_VERSION_LENGTH, "%u.%u", libbpf_major_version(),
		 libbpf_minor_version());
}

json_t *hello_operation(const json_t *request, struct failure *failure)
{
	char libbpf[LIBBPF_VERSION_LENGTH];
	struct timespec tick = {0};
	struct utsname system;
	int cpus = libbpf_num_possible_cpus();

	(void)request;
	if (uname(&system) < 0)
		return fail_errno(failure, errno, "uname failed");
	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	libbpf_version_text(libbpf);
	return json_pack(
		"{s:s, s:s, s:o, s:o, s:i, s:I, s:I, s:I, s:I}", "agent", AGENT_VERSION,
		"libbpf", libbpf, "release", string_json(system.release), "machine",
		string_json(system.machine), "pid", getpid(), "clk_tck",
		(json_int_t)sysconf(_SC_CLK_TCK), "cpus",
		cpus > 0 ? (json_int_t)cpus : (json_int_t)sysconf(_SC_NPROCESSORS_CONF),
		"page_size", (json_int_t)sysconf(_SC_PAGESIZE), "tick_ns",
		(json_int_t)tick.tv_nsec);
}
