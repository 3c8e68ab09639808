/* SPDX-License-Identifier: Apache-2.0 */
#include "acts.h"

#include "arguments.h"
#include "suggest.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_ACTS 32
#define LONGEST_COMM 15
#define FILE_SIZE 4096
/* No act takes long; a child that hangs must not keep its parent. */
#define DEADLINE 20

/* What the child has done so far; it is in memory that it shares with its parent. */
struct scene {
	char path[PATH_MAX], other[PATH_MAX];
	int file;
	uint64_t inode;
	/* The process that was started, signalled or traced last. */
	pid_t target;
	/* How many acts were done, and why the next one could not be. */
	size_t done;
	int error;
};

static bool create(struct scene *scene)
{
	struct stat found;

	scene->file = open(scene->path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	if (scene->file < 0 || fstat(scene->file, &found) < 0)
		return false;
	scene->inode = found.st_ino;
	return true;
}

static bool write_some(struct scene *scene)
{
	return pwrite(scene->file, "acts\n", 5, 0) == 5;
}

static bool read_some(struct scene *scene)
{
	char byte;

	return pread(scene->file, &byte, 1, 0) >= 0;
}

static bool cut(struct scene *scene)
{
	return ftruncate(scene->file, FILE_SIZE) == 0;
}

static bool change_mode(struct scene *scene)
{
	return chmod(scene->path, 0640) == 0;
}

static bool give_name(struct scene *scene)
{
	char before[PATH_MAX];

	if (rename(scene->path, scene->other) < 0)
		return false;
	memcpy(before, scene->path, sizeof(before));
	memcpy(scene->path, scene->other, sizeof(before));
	memcpy(scene->other, before, sizeof(before));
	return true;
}

/* Twice, so that all is as it was. */
static bool exchange(struct scene *scene)
{
	int other = open(scene->other, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	bool done;
	int error;

	if (other < 0)
		return false;
	close(other);
	done = true;
	for (int i = 0; done && i < 2; i++)
		done = syscall(SYS_renameat2, AT_FDCWD, scene->path, AT_FDCWD,
			       scene->other, RENAME_EXCHANGE) == 0;
	error = errno;
	unlink(scene->other);
	errno = error;
	return done;
}

/* For a regular file, the kernel calls vfs_create(); open() does without it. */
static bool make_node(struct scene *scene)
{
	return mknod(scene->other, S_IFREG | 0600, 0) == 0 && unlink(scene->other) == 0;
}

static bool link_it(struct scene *scene)
{
	return link(scene->path, scene->other) == 0 && unlink(scene->other) == 0;
}

static bool map_it(struct scene *scene)
{
	char *bytes;

	if (!cut(scene))
		return false;
	bytes = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, scene->file,
		     0);
	if (bytes == MAP_FAILED)
		return false;
	bytes[0] = 'a';
	return munmap(bytes, FILE_SIZE) == 0;
}

static bool remove_it(struct scene *scene)
{
	return unlink(scene->path) == 0;
}

static bool make_folder(struct scene *scene)
{
	return mkdir(scene->other, 0700) == 0 && rmdir(scene->other) == 0;
}

static bool mount_it(struct scene *scene)
{
	bool done;
	int error;

	if (mkdir(scene->other, 0700) < 0)
		return false;
	done = !mount("none", scene->other, "tmpfs", 0, NULL) && !umount(scene->other);
	error = errno;
	rmdir(scene->other);
	errno = error;
	return done;
}

static bool execute(struct scene *scene)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(127);
	}
	scene->target = child;
	if (child < 0 || waitpid(child, &status, 0) < 0)
		return false;
	errno = ENOENT;
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

/* A child that does nothing until it is killed. */
static pid_t victim(void)
{
	pid_t child = fork();

	while (child == 0)
		pause();
	return child;
}

static bool end(pid_t child)
{
	return !kill(child, SIGKILL) && waitpid(child, NULL, 0) == child;
}

static bool signal_it(struct scene *scene)
{
	pid_t child = scene->target = victim();

	return child > 0 && !kill(child, SIGUSR1) && waitpid(child, NULL, 0) == child;
}

static bool trace_it(struct scene *scene)
{
	pid_t child = scene->target = victim();
	int status;
	bool done;

	if (child < 0)
		return false;
	done = !ptrace(PTRACE_ATTACH, child, NULL, NULL) &&
	       waitpid(child, &status, __WALL) == child &&
	       !ptrace(PTRACE_DETACH, child, NULL, NULL);
	return end(child) && done;
}

static bool call_bpf(struct scene *scene)
{
	union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY,
			       .key_size = 4,
			       .value_size = 4,
			       .max_entries = 1};
	int map = (int)syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));

	(void)scene;
	return map >= 0 && !close(map);
}

static const struct act {
	const char *name;
	/* False with errno. */
	bool (*perform)(struct scene *scene);
} acts[] = {
	{"create", create},	{"write", write_some},	{"read", read_some},
	{"truncate", cut},	{"chmod", change_mode}, {"rename", give_name},
	{"exchange", exchange}, {"link", link_it},	{"mmap", map_it},
	{"unlink", remove_it},	{"mknod", make_node},	{"mkdir", make_folder},
	{"mount", mount_it},	{"exec", execute},	{"signal", signal_it},
	{"ptrace", trace_it},	{"bpf", call_bpf},
};
#define ACT_COUNT (sizeof(acts) / sizeof(*acts))

static const struct act *find_act(const char *name, struct failure *failure)
{
	const char *names[ACT_COUNT];
	char *near;

	for (size_t i = 0; i < ACT_COUNT; i++) {
		names[i] = acts[i].name;
		if (!strcmp(names[i], name))
			return &acts[i];
	}
	near = suggest_names(name, names, ACT_COUNT);
	fail(failure, "argument \"acts\": there is no act \"%s\": %s", name, near);
	free(near);
	return NULL;
}

static bool acts_argument(const json_t *request, const struct act **wanted,
			  size_t *count, struct failure *failure)
{
	const json_t *names, *name;
	size_t i;

	if (!array_argument(request, "acts", &names, failure))
		return false;
	*count = json_array_size(names);
	if (!*count || *count > MOST_ACTS)
		return wrong_argument(failure, "acts", "a list of 1 to 32 acts", names);
	json_array_foreach (names, i, name) {
		if (!json_is_string(name))
			return wrong_argument(failure, "acts", "a list of texts",
					      names);
		wanted[i] = find_act(json_string_value(name), failure);
		if (!wanted[i])
			return false;
	}
	return true;
}

static _Noreturn void perform(struct scene *scene, const struct act **wanted,
			      size_t count, const char *comm)
{
	signal(SIGALRM, SIG_DFL);
	alarm(DEADLINE);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, comm);
	for (; scene->done < count; scene->done++) {
		if (wanted[scene->done]->perform(scene))
			continue;
		scene->error = errno ? errno : EIO;
		break;
	}
	_exit(EXIT_SUCCESS);
}

static json_t *told(const struct scene *scene, const struct act **wanted, size_t count,
		    pid_t actor, const char *comm, struct failure *failure)
{
	if (scene->error)
		return fail_errno(failure, scene->error, "the process can't %s",
				  wanted[scene->done]->name);
	if (scene->done < count)
		return fail(failure, "the process ended while it was to %s",
			    wanted[scene->done]->name);
	return json_pack("{s:i, s:s, s:s, s:I, s:i, s:I}", "pid", actor, "comm", comm,
			 "path", scene->path, "inode", (json_int_t)scene->inode,
			 "target", scene->target, "done", (json_int_t)scene->done);
}

json_t *act_operation(const json_t *request, struct failure *failure)
{
	static unsigned int number;
	const struct act *wanted[MOST_ACTS];
	const char *comm = "actor", *folder = "/run";
	struct scene *scene;
	json_t *reply = NULL;
	size_t count;
	pid_t actor;

	if (!acts_argument(request, wanted, &count, failure) ||
	    !text_argument(request, "comm", OPTIONAL, &comm, failure) ||
	    !text_argument(request, "folder", OPTIONAL, &folder, failure))
		return NULL;
	if (strlen(comm) > LONGEST_COMM)
		return fail(failure, "argument \"comm\" has at most 15 bytes");
	scene = mmap(NULL, sizeof(*scene), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (scene == MAP_FAILED)
		return fail_errno(failure, errno, "can't map memory");
	scene->file = -1;
	snprintf(scene->path, sizeof(scene->path), "%s/act-%u", folder, ++number);
	snprintf(scene->other, sizeof(scene->other), "%s/act-%u-other", folder, number);
	actor = fork();
	if (actor == 0)
		perform(scene, wanted, count, comm);
	if (actor < 0) {
		fail_errno(failure, errno, "can't fork");
	} else {
		while (waitpid(actor, NULL, 0) < 0 && errno == EINTR)
			continue;
		reply = told(scene, wanted, count, actor, comm, failure);
		/* What the acts left: none removes it if they did not. */
		unlink(scene->path);
		unlink(scene->other);
	}
	munmap(scene, sizeof(*scene));
	return reply;
}
