/*
 * Shows a program another time of day: LD_PRELOAD for a run and its guests.
 *
 * FAULT_CLOCK names a file whose first 8 bytes are the seconds that are added. It is
 * mapped, so that a jump reaches all programs at once. What waits for a moment of the
 * host's clock is left alone, and so are the clocks that never jump.
 *
 * libfaketime is no help: with it, clock_nanosleep() fails with EINVAL once the time
 * goes back, which no kernel does.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t *jump;

__attribute__((constructor)) static void map_clock(void)
{
	const char *path = getenv("FAULT_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *mapped;

	if (fd < 0)
		return;
	mapped = mmap(NULL, sizeof(*jump), PROT_READ, MAP_SHARED, fd, 0);
	if (mapped != MAP_FAILED)
		jump = mapped;
	close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *found)
{
	/* The vDSO's would be faster, but is only reached through what this replaces.
	 */
	int error = syscall(SYS_clock_gettime, clock, found);

	if (!error && jump &&
	    (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
		found->tv_sec += *jump;
	return error;
}

int gettimeofday(struct timeval *restrict found, void *restrict zone)
{
	int error = syscall(SYS_gettimeofday, found, zone);

	if (!error && jump)
		found->tv_sec += *jump;
	return error;
}

time_t time(time_t *into)
{
	struct timespec found;

	clock_gettime(CLOCK_REALTIME, &found);
	if (into)
		*into = found.tv_sec;
	return found.tv_sec;
}
