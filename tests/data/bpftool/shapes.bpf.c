// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Maps in every shape that bpftool formats in a way of its own; `record` dumps them. */
#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

enum size_class {
	SMALL = 1,
	LARGE = 2,
};

struct point {
	__s32 x;
	__s32 y;
};

struct shape {
	__u64 largest;
	__s64 least;
	__s16 minus_two;
	char letter;
	bool yes;
	enum size_class class;
	enum size_class unnamed_class;
	char comm[16];
	char full[4];
	char control[4];
	char backslash[8];
	unsigned char bytes[4];
	struct point points[2];
	__u16 grid[2][3];
	struct {
		union {
			struct {
				int inner;
			};
			int alias;
		};
		struct {
			int second;
		};
	};
	struct {
		struct point corner;
	} last;
	unsigned int bit : 1;
	int minus_three : 4;
	void *pointer;
	void *null;
	__int128 wide;
};

struct cell {
	__u32 row;
	__u32 column;
};

typedef char name_t[8];

#define MAP(name, map_type, key_type, value_type)                                      \
	struct {                                                                       \
		__uint(type, BPF_MAP_TYPE_##map_type);                                 \
		__uint(max_entries, 2);                                                \
		__type(key, key_type);                                                 \
		__type(value, value_type);                                             \
	} name SEC(".maps")

#define MAP_WITHOUT_BTF(name, map_type)                                                \
	struct {                                                                       \
		__uint(type, BPF_MAP_TYPE_##map_type);                                 \
		__uint(max_entries, 2);                                                \
		__uint(key_size, 4);                                                   \
		__uint(value_size, 8);                                                 \
	} name SEC(".maps")

MAP(shapes, HASH, __u32, struct shape);
MAP(cells, HASH, struct cell, __u64);
MAP(totals, ARRAY, __u32, __u64);
MAP(per_cpu, PERCPU_ARRAY, __u32, __u64);
MAP(per_cpu_points, PERCPU_HASH, __u32, struct point);
MAP(empty, HASH, __u32, __u64);
MAP(names, HASH, name_t, enum size_class);
MAP(
	floats, ARRAY, __u32, struct {
		__u32 before;
		double real;
		__u32 after;
	});
MAP_WITHOUT_BTF(plain, HASH);
MAP_WITHOUT_BTF(plain_cpu, PERCPU_HASH);

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__uint(value_size, 4);
} events SEC(".maps");

__u64 seen_count = 7;
__u32 seen_again = 8;

#define UPDATE(map, key, value) bpf_map_update_elem(&map, &key, &value, BPF_ANY)

static __always_inline void fill_shape(void)
{
	static struct shape shape;
	__u32 key = 5;

	shape.largest = ~0ULL;
	shape.least = 1ULL << 63;
	shape.minus_two = -2;
	shape.letter = 'A';
	shape.yes = true;
	shape.class = LARGE;
	shape.unnamed_class = 9;
	__builtin_memcpy(shape.comm, "sleeper\0junk", 13);
	__builtin_memcpy(shape.full, "ABCD", 4);
	__builtin_memcpy(shape.control, "a\tb", 4);
	__builtin_memcpy(shape.backslash, "a\\\"b", 5);
	__builtin_memcpy(shape.bytes, "AB", 3);
	shape.points[0].x = -1;
	shape.points[1].y = 9;
	shape.grid[1][2] = 77;
	shape.inner = 3;
	shape.second = 4;
	shape.last.corner.x = -1;
	shape.bit = 1;
	shape.minus_three = -3;
	shape.pointer = (void *)0xffff888000001234ULL;
	shape.wide = -1;
	UPDATE(shapes, key, shape);
}

SEC("socket")
int fill(struct __sk_buff *skb)
{
	struct cell first = {1, 2}, second = {3, 4};
	struct point point = {-1, 2};
	enum size_class class = SMALL;
	__u64 fifty = 50, hundred = 100, large = 1500;
	name_t name = "abc";
	__u32 one = 1;

	fill_shape();
	UPDATE(cells, first, fifty);
	UPDATE(cells, second, hundred);
	UPDATE(totals, one, large);
	UPDATE(per_cpu, one, large);
	UPDATE(per_cpu_points, one, point);
	UPDATE(names, name, class);
	UPDATE(plain, one, large);
	UPDATE(plain_cpu, one, large);
	seen_count++;
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
