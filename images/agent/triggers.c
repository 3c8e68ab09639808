/* SPDX-License-Identifier: Apache-2.0 */
#include "triggers.h"

#include "arguments.h"
#include "children.h"
#include "clock.h"
#include "suggest.h"
#include "protocol.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define COMM_LENGTH 16
#define SLEEPER_DEADLINE_NS (10 * NS_PER_SECOND)
#define MOST_SPIN 5
#define SPIN_STEPS 100000
#define MOST_SECONDS 3600
#define MOST_CALLS 1000000

/* ------------------------------------------------------------------- fork */

/* A copy of a link's descriptor would keep a program attached after detach. */
static void close_all_but(int kept)
{
	DIR *open = opendir("/proc/self/fd");
	const struct dirent *entry;

	while (open && (entry = readdir(open))) {
		int descriptor = (int)strtol(entry->d_name, NULL, 10);

		if (entry->d_name[0] != '.' && descriptor != kept &&
		    descriptor != dirfd(open))
			close(descriptor);
	}
	if (open)
		closedir(open);
}

/* Uses up time of its own, and hardly any of the kernel's. */
static void spin(int64_t ns)
{
	int64_t end = monotonic_ns() + ns;

	while (monotonic_ns() < end)
		for (volatile int i = 0; i < SPIN_STEPS; i++)
			continue;
}

/* Keeps all capabilities, and two of them out of effect, one in each half: struct cred
 * has its sets of capabilities side by side, and a program that reads another one than
 * it means is told by that. Without effect on a child that has none.
 */
static void put_some_out_of_effect(void)
{
	struct __user_cap_header_struct header = {.version =
							  _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct halves[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, halves) < 0)
		return;
	halves[0].effective &= ~CAP_TO_MASK(CAP_SYS_PACCT);
	halves[1].effective &= ~CAP_TO_MASK(CAP_WAKE_ALARM);
	syscall(SYS_capset, &header, halves);
}

static _Noreturn void sleep_until_killed(pid_t parent, const char *comm,
					 int64_t spin_ns, int ready)
{
	die_with(parent);
	close_all_but(ready);
	put_some_out_of_effect();
	if (comm)
		prctl(PR_SET_NAME, comm, 0, 0, 0);
	if (spin_ns)
		spin(spin_ns);
	close(ready);
	for (;;)
		pause();
}

/* Whether the child sleeps, once it has told that it is about to. */
static bool wait_until_asleep(pid_t pid, int ready)
{
	struct pollfd told = {.fd = ready, .events = POLLIN};
	int64_t deadline = monotonic_ns() + SLEEPER_DEADLINE_NS;
	char state;

	poll(&told, 1, SLEEPER_DEADLINE_NS / NS_PER_MS);
	while ((state = process_state(pid, NULL)) != 'S') {
		if (!state || state == 'Z' || monotonic_ns() > deadline)
			return false;
		pause_ns(NS_PER_MS / 10);
	}
	return true;
}

static json_t *comm_of(pid_t pid)
{
	char path[64], comm[COMM_LENGTH + 1] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "re");
	if (file) {
		size_t size = fread(comm, 1, sizeof(comm) - 1, file);

		fclose(file);
		comm[size] = '\0';
		if (size && comm[size - 1] == '\n')
			comm[size - 1] = '\0';
	}
	return string_json(comm);
}

/* The time that a process ran outside of the kernel, as the kernel counts it: its clock
 * of the kind CPUCLOCK_VIRT (kernel/time/posix-cpu-timers.c), which libc has no name
 * for. What /proc says is adjusted to what the scheduler measured.
 */
static int64_t user_ns(pid_t pid)
{
	struct timespec time = {0};

	clock_gettime((clockid_t)((~(unsigned int)pid << 3) | 1), &time);
	return time.tv_sec * NS_PER_SECOND + time.tv_nsec;
}

json_t *fork_operation(const json_t *request, struct failure *failure)
{
	const char *comm = NULL;
	pid_t parent = getpid();
	double spin_seconds = 0;
	int ready[2];
	pid_t pid;

	if (!text_argument(request, "comm", OPTIONAL, &comm, failure) ||
	    (json_object_get(request, "spin") &&
	     !seconds_argument(request, "spin", MOST_SPIN, &spin_seconds, failure)))
		return NULL;
	if (comm && strlen(comm) >= COMM_LENGTH)
		return fail(failure,
			    "argument \"comm\" must have at most %d bytes; it has %zu",
			    COMM_LENGTH - 1, strlen(comm));
	if (pipe2(ready, O_CLOEXEC) < 0)
		return fail_errno(failure, errno, "can't make a pipe");
	pid = fork();
	if (pid == 0)
		sleep_until_killed(parent, comm,
				   (int64_t)(spin_seconds * NS_PER_SECOND), ready[1]);
	close(ready[1]);
	if (pid < 0) {
		fail_errno(failure, errno, "can't fork");
		close(ready[0]);
		return NULL;
	}
	if (!wait_until_asleep(pid, ready[0])) {
		close(ready[0]);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		return fail_errno(failure, ETIMEDOUT, "the child does not sleep");
	}
	close(ready[0]);
	children_add(pid);
	/* A process of one thread: its pid is its thread group. It has its parent's
	 * memory, and with it the thread pointer: ARCH_GET_FS on x86.
	 */
	return json_pack("{s:i, s:i, s:i, s:o, s:I, s:I}", "pid", pid, "tgid", pid,
			 "ppid", parent, "comm", comm_of(pid), "user_ns",
			 (json_int_t)user_ns(pid), "thread_pointer",
			 (json_int_t)(uintptr_t)__builtin_thread_pointer());
}

/* ---------------------------------------------------------------- syscall */

/* libc may answer getpid() and the like itself, so each is a raw system call. */
static long call_getpgid(void)
{
	return syscall(SYS_getpgid, 0);
}

static long call_getppid(void)
{
	return syscall(SYS_getppid);
}

static long call_getpid(void)
{
	return syscall(SYS_getpid);
}

static long call_getuid(void)
{
	return syscall(SYS_getuid);
}

static long call_nanosleep(void)
{
	struct timespec shortest = {.tv_nsec = 1};

	return syscall(SYS_nanosleep, &shortest, NULL);
}

static long call_openat(void)
{
	long descriptor = syscall(SYS_openat, AT_FDCWD, "/dev/null", O_CLOEXEC);

	if (descriptor >= 0)
		close((int)descriptor);
	return descriptor;
}

static const char *const call_names[] = {
	"getpgid", "getppid", "getpid", "getuid", "nanosleep", "openat",
};
static long (*const calls[])(void) = {
	call_getpgid, call_getppid,   call_getpid,
	call_getuid,  call_nanosleep, call_openat,
};
#define CALL_COUNT (sizeof(calls) / sizeof(*calls))
_Static_assert(CALL_COUNT == sizeof(call_names) / sizeof(*call_names),
	       "each call must have a name");

static long (*find_call(const char *name))(void)
{
	for (size_t i = 0; i < CALL_COUNT; i++)
		if (!strcmp(call_names[i], name))
			return calls[i];
	return NULL;
}

json_t *syscall_operation(const json_t *request, struct failure *failure)
{
	const char *name;
	json_int_t times = 1;
	long (*call)(void);
	long result = 0;

	if (!text_argument(request, "name", REQUIRED, &name, failure) ||
	    !integer_argument(request, "times", OPTIONAL, 1, MOST_CALLS, &times,
			      failure))
		return NULL;
	call = find_call(name);
	if (!call) {
		char *near = suggest_names(name, call_names, CALL_COUNT);

		fail(failure,
		     "argument \"name\" must be a system call that the agent "
		     "can make, not %s: %s",
		     name, near);
		free(near);
		return NULL;
	}
	for (json_int_t i = 0; i < times; i++) {
		result = call();
		if (result < 0)
			return fail_errno(failure, errno, "%s failed", name);
	}
	return json_pack("{s:i, s:i, s:I, s:I}", "pid", getpid(), "tid",
			 (int)syscall(SYS_gettid), "count", times, "result",
			 (json_int_t)result);
}

/* ------------------------------------------------------------------ sleep */

json_t *sleep_operation(const json_t *request, struct failure *failure)
{
	struct pollfd reader = {.fd = reply_descriptor()};
	int64_t started = monotonic_ns(), left;
	double seconds;

	if (!seconds_argument(request, "seconds", MOST_SECONDS, &seconds, failure))
		return NULL;
	while ((left = started + (int64_t)(seconds * NS_PER_SECOND) - monotonic_ns()) >
	       0) {
		struct timespec time = timespec_of(left);

		/* A session that was dropped must not sleep on with its links held. */
		if (ppoll(&reader, 1, &time, NULL) > 0)
			return fail(failure, "nobody waits for the answer any more");
	}
	return json_pack("{s:i, s:I}", "pid", getpid(), "slept_ns",
			 (json_int_t)(monotonic_ns() - started));
}
