/* SPDX-License-Identifier: Apache-2.0 */
#include "namespace.h"

#include "children.h"
#include "places.h"
#include "token.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NONE (-1)
/* As much as a process begins with: libbpf runs on it. */
#define STACK_SIZE ((size_t)8 << 20)
/* MNT_DETACH of sys/mount.h, which excludes linux/mount.h in glibc 2.36. */
#define DETACH 2

/* The namespace of the last user that needed one. */
static struct {
	/* The user, as in its requests; NULL for none. */
	char *of;
	int descriptor;
	bool has_bpffs;
} current = {.descriptor = NONE};

/* -------------------------------------------------------------- processes */

/* A process of its own that shares what `flags` say with the agent; -1 with errno. Its
 * stack, `*stack`, is to be unmapped when it has ended.
 */
static pid_t start(int (*function)(void *), void *argument, int flags, void **stack)
{
	pid_t pid;
	int error;

	*stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
	if (*stack == MAP_FAILED)
		return -1;
	pid = clone(function, (char *)*stack + STACK_SIZE, flags | SIGCHLD, argument);
	error = errno;
	if (pid < 0)
		munmap(*stack, STACK_SIZE);
	errno = error;
	return pid;
}

static int end_of(pid_t pid, void *stack)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	munmap(stack, STACK_SIZE);
	return status;
}

/* ------------------------------------------------------------------- make */

/* The process with which a namespace begins. It shares descriptors with the agent. */
struct founder {
	const struct user *user;
	pid_t parent;
	/* Where it says how far it came. */
	int pipe[2];
};

/* What it says: where it failed, and a bpffs that is to be mounted. */
struct founded {
	const char *obstacle;
	int error;
	int bpffs;
};

static int found(void *argument)
{
	const struct founder *founder = argument;
	uid_t uid = (uid_t)founder->user->uid;
	struct founded said = {.bpffs = NONE};

	if (setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
		said.obstacle = "can't become the user";
	else if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		said.obstacle = "can't make a user namespace";
	else if (founder->user->delegated) {
		/* It belongs to the namespace of who opens it. */
		said.bpffs = (int)syscall(SYS_fsopen, "bpf", FSOPEN_CLOEXEC);
		if (said.bpffs < 0)
			said.obstacle = "can't open a bpffs in it";
	}
	said.error = errno;
	die_with(founder->parent);
	if (write(founder->pipe[1], &said, sizeof(said)) < 0)
		return EXIT_FAILURE;
	for (;;)
		pause();
}

static bool write_text(pid_t pid, const char *name, const char *words)
{
	char *path = text_of("/proc/%d/%s", pid, name);
	int descriptor = open(path, O_WRONLY | O_CLOEXEC);
	bool written = descriptor >= 0 && write(descriptor, words, strlen(words)) ==
						  (ssize_t)strlen(words);
	int error = errno;

	if (descriptor >= 0)
		close(descriptor);
	free(path);
	errno = error;
	return written;
}

/* The user is 0 there, and nobody else is anybody. */
static bool map_user(pid_t pid, const struct user *user)
{
	char *line = text_of("0 %lld 1\n", (long long)user->uid);
	bool mapped =
		write_text(pid, "uid_map", line) && write_text(pid, "gid_map", line);

	free(line);
	return mapped;
}

static int namespace_of(pid_t pid)
{
	char *path = text_of("/proc/%d/ns/user", pid);
	int descriptor = open(path, O_RDONLY | O_CLOEXEC);

	free(path);
	return descriptor;
}

/* Mounts a bpffs of the namespace where tokens for it can be had. Only who is root of
 * the guest may say what is delegated.
 */
static bool mount_bpffs(int bpffs, const json_t *options, struct failure *failure)
{
	const char *name;
	json_t *value;
	int mount;
	bool moved;

	json_object_foreach ((json_t *)options, name, value)
		if (syscall(SYS_fsconfig, bpffs, FSCONFIG_SET_STRING, name,
			    json_string_value(value), 0))
			return fail_errno(failure, errno, "bpffs does not take %s=%s",
					  name, json_string_value(value));
	if (syscall(SYS_fsconfig, bpffs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return fail_errno(failure, errno, "can't make the bpffs of a token");
	mount = (int)syscall(SYS_fsmount, bpffs, FSMOUNT_CLOEXEC, 0);
	if (mount < 0)
		return fail_errno(failure, errno, "can't mount the bpffs of a token");
	mkdir(TOKEN_FOLDER, 0755);
	moved = !syscall(SYS_move_mount, mount, "", AT_FDCWD, TOKEN_FOLDER,
			 MOVE_MOUNT_F_EMPTY_PATH);
	if (!moved)
		fail_errno(failure, errno, "can't mount " TOKEN_FOLDER);
	close(mount);
	return moved;
}

/* Keeps what a founder made. */
static bool take_over(pid_t pid, const struct founded *founded, const struct user *user,
		      struct failure *failure)
{
	bool mounted = true;

	if (founded->obstacle)
		return fail_errno(failure, founded->error, "user %lld: %s",
				  (long long)user->uid, founded->obstacle);
	if (!map_user(pid, user))
		return fail_errno(failure, errno, "can't map user %lld",
				  (long long)user->uid);
	if (founded->bpffs >= 0) {
		mounted = mount_bpffs(founded->bpffs, user->delegated, failure);
		close(founded->bpffs);
	}
	if (!mounted)
		return false;
	current.has_bpffs = founded->bpffs >= 0;
	current.descriptor = namespace_of(pid);
	if (current.descriptor < 0)
		fail_errno(failure, errno, "can't open the user namespace");
	return current.descriptor >= 0;
}

static bool make(const struct user *user, struct failure *failure)
{
	struct founder founder = {.user = user, .parent = getpid()};
	struct founded founded;
	void *stack;
	bool made = false;
	pid_t pid;

	if (pipe2(founder.pipe, O_CLOEXEC))
		return fail_errno(failure, errno, "can't make a pipe");
	pid = start(found, &founder, CLONE_FILES, &stack);
	if (pid < 0)
		fail_errno(failure, errno, "can't make a process");
	else if (read(founder.pipe[0], &founded, sizeof(founded)) == sizeof(founded))
		made = take_over(pid, &founded, user, failure);
	else
		fail_errno(failure, errno, "no user namespace was made");
	if (pid > 0) {
		kill(pid, SIGKILL);
		end_of(pid, stack);
	}
	close(founder.pipe[0]);
	close(founder.pipe[1]);
	return made;
}

static void forget(void)
{
	if (current.descriptor >= 0)
		close(current.descriptor);
	if (current.has_bpffs)
		syscall(SYS_umount2, TOKEN_FOLDER, DETACH);
	free(current.of);
	memset(&current, 0, sizeof(current));
	current.descriptor = NONE;
}

/* Has the user's namespace be the current one. */
static bool require(const struct user *user, const json_t *request,
		    struct failure *failure)
{
	char *wanted = json_dumps(json_object_get(request, "user"), JSON_SORT_KEYS);

	if (current.of && !strcmp(current.of, wanted)) {
		free(wanted);
		return true;
	}
	forget();
	if (!make(user, failure)) {
		free(wanted);
		forget();
		return false;
	}
	current.of = wanted;
	return true;
}

/* -------------------------------------------------------------------- run */

struct task {
	const struct user *user;
	operation_function *run;
	const json_t *request;
	struct failure *failure;
	json_t *done;
	/* Whether it came so far that all else is said by the above. */
	bool ran;
};

static int run_task(void *argument)
{
	struct task *task = argument;

	if (setns(current.descriptor, CLONE_NEWUSER) || setresgid(0, 0, 0) ||
	    setresuid(0, 0, 0) || set_effective_capabilities(task->user->mask)) {
		fail_errno(task->failure, errno, "can't enter the user namespace");
	} else if (!current.has_bpffs || token_begin(TOKEN_FOLDER, task->failure)) {
		task->done = task->run(task->request, task->failure);
		token_end();
	}
	task->ran = true;
	return EXIT_SUCCESS;
}

json_t *run_in_namespace(const struct user *user, operation_function *run,
			 const json_t *request, struct failure *failure)
{
	struct task task = {user, run, request, failure, NULL, false};
	void *stack;
	pid_t pid;

	if (!require(user, request, failure))
		return NULL;
	/* libbpf fills its structures, and opens its descriptors, as in the agent. */
	pid = start(run_task, &task, CLONE_VM | CLONE_VFORK | CLONE_FILES, &stack);
	if (pid < 0)
		return fail_errno(failure, errno, "can't make a process");
	end_of(pid, stack);
	if (!task.ran)
		fail(failure, "the process in the user namespace was killed");
	return task.done;
}
