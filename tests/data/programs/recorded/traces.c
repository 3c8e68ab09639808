/* Traces its children as strace and gdb do, and stops one as a shell does. */
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

int main(void)
{
	int status, stops = 0;
	pid_t child = fork();

	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execlp("true", "true", NULL);
		_exit(127);
	}
	waitpid(child, &status, 0);
	for (; WIFSTOPPED(status); stops++) {
		ptrace(PTRACE_SYSCALL, child, NULL, NULL);
		waitpid(child, &status, 0);
	}
	if (stops > 10 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
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
