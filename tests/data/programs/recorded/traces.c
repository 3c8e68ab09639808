/* Traces its children as strace and gdb do, and stops one as a shell does.
 *
 *   traces                     says what worked
 *   traces PROGRAM [WORD…]     runs a program as strace does, and ends as it does
 */
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t sleeper(void)
{
	pid_t child = fork();

	if (child == 0)
		for (;;)
			pause();
	return child;
}

static void end(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/* Runs a program that stops in each of its calls; how it ended. */
static int run(char **words, int *stops)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execvp(words[0], words);
		_exit(127);
	}
	waitpid(child, &status, 0);
	for (*stops = 0; WIFSTOPPED(status); ++*stops) {
		ptrace(PTRACE_SYSCALL, child, NULL, NULL);
		waitpid(child, &status, 0);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

int main(int argc, char **argv)
{
	int status, stops;
	pid_t child;

	if (argc > 1)
		return run(argv + 1, &stops);
	if (run((char *[]){"true", NULL}, &stops) == 0 && stops > 10)
		puts("traced");

	child = sleeper();
	if (ptrace(PTRACE_ATTACH, child, NULL, NULL) == 0 &&
	    waitpid(child, &status, 0) == child && WIFSTOPPED(status))
		puts("attached");
	ptrace(PTRACE_DETACH, child, NULL, NULL);
	end(child);

	child = sleeper();
	kill(child, SIGSTOP);
	if (waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status))
		puts("stopped");
	kill(child, SIGCONT);
	if (waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status))
		puts("continued");
	end(child);
	return 0;
}
