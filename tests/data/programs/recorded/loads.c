/* Does what its arguments say, one after the other; ends with 1 where one fails. */
#include <linux/bpf.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS 8
#define MANY 6000
#define BUSY 300000

static int last = -1;

static int bpf(enum bpf_cmd command, union bpf_attr *attributes)
{
	return (int)syscall(SYS_bpf, command, attributes, sizeof(*attributes));
}

static int create(const char *name)
{
	union bpf_attr attributes = {.map_type = BPF_MAP_TYPE_HASH,
				     .key_size = 4,
				     .value_size = 8,
				     .max_entries = 2};

	strcpy(attributes.map_name, name);
	return bpf(BPF_MAP_CREATE, &attributes);
}

static bool map(void)
{
	int descriptor = create("instant");

	return descriptor >= 0 && close(descriptor) == 0;
}

/* A map with the value 42. */
static bool count(void)
{
	uint32_t key = 1;
	uint64_t value = 42;
	union bpf_attr attributes = {
		.map_fd = (unsigned int)create("counts_of_packe"),
		.key = (uintptr_t)&key,
		.value = (uintptr_t)&value,
	};

	return bpf(BPF_MAP_UPDATE_ELEM, &attributes) == 0;
}

static int load(const char *name, unsigned int count)
{
	static const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attributes = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
				     .insns = (uintptr_t)code,
				     .insn_cnt = count,
				     .license = (uintptr_t) "GPL"};

	strcpy(attributes.prog_name, name);
	return bpf(BPF_PROG_LOAD, &attributes);
}

static bool program(void)
{
	last = load("on_packet", 2);
	return last >= 0;
}

/* Without an exit. */
static bool refused(void)
{
	return load("refused", 1) < 0;
}

static bool attach_socket(void)
{
	int made = socket(AF_INET, SOCK_DGRAM, 0);

	return setsockopt(made, SOL_SOCKET, SO_ATTACH_BPF, &last, sizeof(last)) == 0;
}

static void *in_thread(void *number)
{
	char name[16];

	snprintf(name, sizeof(name), "thread%d", (int)(intptr_t)number);
	return (void *)(intptr_t)(create(name) >= 0);
}

static bool threads(void)
{
	pthread_t started[THREADS];
	bool all = true;
	void *done;

	for (intptr_t i = 0; i < THREADS; i++)
		pthread_create(&started[i], NULL, in_thread, (void *)i);
	for (int i = 0; i < THREADS; i++)
		all &= pthread_join(started[i], &done) == 0 && done;
	return all;
}

static bool in_child(void)
{
	pid_t child = fork();
	int status;

	if (!child)
		_exit(!program());
	return waitpid(child, &status, 0) == child && status == 0;
}

static bool many(void)
{
	for (int i = 0; i < MANY; i++)
		if (!map())
			return false;
	return true;
}

static bool busy(void)
{
	struct timespec start, end;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (int i = 0; i < BUSY; i++)
		syscall(SYS_getppid);
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("{\"seconds\": %f}\n",
	       (double)(end.tv_sec - start.tv_sec) +
		       (double)(end.tv_nsec - start.tv_nsec) / 1e9);
	return true;
}

static const struct {
	const char *name;
	bool (*run)(void);
} deeds[] = {
	{"count", count},
	{"map", map},
	{"program", program},
	{"refused", refused},
	{"socket", attach_socket},
	{"threads", threads},
	{"fork", in_child},
	{"many", many},
	{"busy", busy},
};

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		for (size_t j = 0; j < sizeof(deeds) / sizeof(*deeds); j++)
			if (!strcmp(argv[i], deeds[j].name) && !deeds[j].run())
				return 1;
	return 0;
}
