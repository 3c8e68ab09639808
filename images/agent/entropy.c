/* SPDX-License-Identifier: Apache-2.0 */
/* A 4.4 guest has no entropy of its own, and its SSH server waits for it without end.
 * What is credited here keeps a guest for a test running; with the last of the sources
 * it is no secret, and the keys that matter are made on the host.
 */
#include "entropy.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

/* What 4.4 takes at a time; twice is what its sshd needs. */
#define BLOCK 512
#define BLOCKS 2
#define TOTAL (BLOCK * BLOCKS)
/* virtio-rng answers a while after it is asked. */
#define DEVICE_DEADLINE_NS (200 * NS_PER_MS)

/* Reads all of it before the deadline, without blocking. */
static bool read_now(int descriptor, unsigned char bytes[TOTAL], int64_t deadline)
{
	size_t filled = 0;

	while (filled < TOTAL) {
		ssize_t size = read(descriptor, bytes + filled, TOTAL - filled);

		if (size > 0)
			filled += (size_t)size;
		else if ((size < 0 && errno != EAGAIN && errno != EINTR) ||
			 monotonic_ns() > deadline)
			return false;
		else
			pause_ns(NS_PER_MS);
	}
	return true;
}

static void wake_up(int signal)
{
	(void)signal;
}

static void alarm_after(int64_t ns)
{
	struct itimerval when = {.it_value.tv_usec = ns / 1000};

	setitimer(ITIMER_REAL, &when, NULL);
}

/* The kernel's own thread holds the device while it waits for it, and who reads then
 * waits for that thread, whatever O_NONBLOCK says. The device may never answer: seen in
 * guests of s390x under QEMU 7.2 that start fewer processors than they have.
 */
static bool from_device(unsigned char bytes[TOTAL])
{
	int device = open("/dev/hwrng", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct sigaction woken = {.sa_handler = wake_up}, before;
	bool filled;

	if (device < 0)
		return false;
	sigaction(SIGALRM, &woken, &before);
	alarm_after(2 * DEVICE_DEADLINE_NS);
	filled = read_now(device, bytes, monotonic_ns() + DEVICE_DEADLINE_NS);
	alarm_after(0);
	sigaction(SIGALRM, &before, NULL);
	close(device);
	return filled;
}

static bool from_input(unsigned char bytes[TOTAL])
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
	size_t filled = 0;

	/* A console is an input too, at which nobody types. */
	while (filled < TOTAL && poll(&input, 1, 0) > 0) {
		ssize_t size = read(STDIN_FILENO, bytes + filled, TOTAL - filled);

		if (size <= 0)
			break;
		filled += (size_t)size;
	}
	return filled == TOTAL;
}

#ifdef __x86_64__
__attribute__((target("rdrnd"))) static bool from_processor(unsigned char bytes[TOTAL])
{
	if (!__builtin_cpu_supports("rdrnd"))
		return false;
	for (size_t i = 0; i < TOTAL; i += sizeof(unsigned long long)) {
		unsigned long long word = 0;
		int tries = 10;

		while (!__builtin_ia32_rdrand64_step(&word) && --tries)
			continue;
		if (!tries)
			return false;
		memcpy(bytes + i, &word, sizeof(word));
	}
	return true;
}
#else
static bool from_processor(unsigned char bytes[TOTAL])
{
	(void)bytes;
	return false;
}
#endif

/* The lowest bits of how long short work takes, mixed. */
static bool from_jitter(unsigned char bytes[TOTAL])
{
	uint64_t mixed = (uint64_t)monotonic_ns();

	for (size_t i = 0; i < TOTAL; i++) {
		for (int round = 0; round < 32; round++) {
			mixed ^= (uint64_t)monotonic_ns();
			mixed *= UINT64_C(0x9e3779b97f4a7c15);
			mixed ^= mixed >> 29;
		}
		bytes[i] = (unsigned char)(mixed >> 56);
	}
	return true;
}

static const struct {
	const char *name;
	bool (*fill)(unsigned char bytes[TOTAL]);
} sources[] = {
	{"/dev/hwrng", from_device},
	{"standard input", from_input},
	{"RDRAND", from_processor},
	{"the clock's jitter", from_jitter},
};

bool add_entropy(const void *bytes, size_t size)
{
	union {
		struct rand_pool_info info;
		unsigned char room[sizeof(struct rand_pool_info) + BLOCK];
	} block;
	int pool = open("/dev/random", O_RDWR | O_CLOEXEC);
	bool added = pool >= 0;
	int error;

	for (size_t done = 0; added && done < size; done += BLOCK) {
		size_t part = size - done < BLOCK ? size - done : BLOCK;

		block.info.entropy_count = (int)part * 8;
		block.info.buf_size = (int)part;
		memcpy(block.room + sizeof(block.info), (const char *)bytes + done,
		       part);
		added = ioctl(pool, RNDADDENTROPY, &block) == 0;
	}
	error = errno;
	/* Used at once from 4.14 on; an older kernel takes it at its next reseeding. */
	if (added)
		ioctl(pool, RNDRESEEDCRNG);
	if (pool >= 0)
		close(pool);
	errno = error;
	return added;
}

int credit_entropy(void)
{
	unsigned char bytes[TOTAL];
	size_t source = 0;

	while (!sources[source].fill(bytes))
		source++;
	if (!add_entropy(bytes, TOTAL)) {
		perror("agent: can't credit entropy to /dev/random");
		return EXIT_FAILURE;
	}
	fprintf(stderr, "agent: credited %d bytes of %s\n", TOTAL,
		sources[source].name);
	return EXIT_SUCCESS;
}
