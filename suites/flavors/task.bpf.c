// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Fields of a task, and of what it points to, that were renamed, moved or resized; read
 * for the oldest child of a task that makes another one, when it sleeps.
 *
 * The task comes from an argument of wake_up_new_task(), because 4.4 has no
 * bpf_get_current_task().
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

/* What /proc/PID/stat calls a tick: USER_HZ is 100 on x86. */
#define NS_PER_TICK 10000000ULL
#define NAME_LENGTH 16

/* bpf_core_read() of a field into a variable that is 0 so far: BPF_CORE_READ() leaves
 * its own uninitialised, which kernels before 4.7 refuse.
 */
#define READ(into, field) bpf_core_read(&(into), sizeof(into), &(field))

typedef __s64 time64_t;

struct list_head {
	struct list_head *next;
} __attribute__((preserve_access_index));

/* Counters of a mm: of file pages, anonymous pages, swap and shared memory. */
enum { FILE_PAGES, ANONYMOUS_PAGES, SWAP_ENTRIES, SHARED_PAGES };

struct percpu_counter {
	__s64 count;
} __attribute__((preserve_access_index));

struct dentry {
	union {
		unsigned char string[40];
	} d_shortname;
	struct inode *d_inode;
} __attribute__((preserve_access_index));

/* Up to 6.13 (58cf9c383c5c) it is an array of characters. */
struct dentry___before_6_14 {
	unsigned char d_iname[32];
} __attribute__((preserve_access_index));

struct path {
	struct dentry *dentry;
} __attribute__((preserve_access_index));

struct file {
	struct path f_path;
} __attribute__((preserve_access_index));

struct mm_struct {
	struct percpu_counter rss_stat[4];
	struct file *exe_file;
} __attribute__((preserve_access_index));

/* Up to 6.1 (f1a7941243c1) the counters are atomic. */
struct mm_rss_stat___before_6_2 {
	struct {
		__s64 counter;
	} count[4];
} __attribute__((preserve_access_index));

struct mm_struct___before_6_2 {
	struct mm_rss_stat___before_6_2 rss_stat;
} __attribute__((preserve_access_index));

struct timespec64 {
	time64_t tv_sec;
} __attribute__((preserve_access_index));

struct inode {
	time64_t i_ctime_sec;
} __attribute__((preserve_access_index));

/* From 6.6 (13bc24457850) to 6.10, before the seconds stood alone (3aa63a569c64). */
struct inode___before_6_11 {
	struct timespec64 __i_ctime;
} __attribute__((preserve_access_index));

/* Up to 6.5. Up to 4.17 (95582b008388) it is a struct timespec there, which needs no
 * flavor: of a struct within a struct the members' names matter, and not its own.
 */
struct inode___before_6_6 {
	struct timespec64 i_ctime;
} __attribute__((preserve_access_index));

struct fs_struct {
	struct path pwd;
} __attribute__((preserve_access_index));

/* Since 6.3 (f122a08b197d) one number of 64 bits; before that two of 32. */
struct kernel_cap_struct___before_6_3 {
	__u32 cap[2];
} __attribute__((preserve_access_index));

struct cred {
	struct {
		__u64 val;
	} cap_effective;
} __attribute__((preserve_access_index));

struct cred___before_6_3 {
	struct kernel_cap_struct___before_6_3 cap_effective;
} __attribute__((preserve_access_index));

struct upid {
	int nr;
} __attribute__((preserve_access_index));

/* numbers is an array of 1 up to 6.4, and of none from then on (b69f0aeb0689). */
struct pid {
	struct upid numbers[1];
} __attribute__((preserve_access_index));

/* PIDTYPE_TGID came between these with 4.19 (6883f81aac6f). */
enum pid_type { PIDTYPE_PID, PIDTYPE_TGID, PIDTYPE_PGID, PIDTYPE_SID, PIDTYPE_MAX };

struct signal_struct {
	struct pid *pids[PIDTYPE_MAX];
} __attribute__((preserve_access_index));

struct pid_link___before_4_19 {
	struct pid *pid;
} __attribute__((preserve_access_index));

struct task_struct {
	int pid;
	/* Not real_parent, which is the same and stands before it: that would hide an
	 * offset that is wrong.
	 */
	struct task_struct *parent;
	struct list_head children;
	struct list_head sibling;
	unsigned int __state;
	__u64 start_boottime;
	struct mm_struct *mm;
	struct fs_struct *fs;
	const struct cred *cred;
	struct pid *thread_pid;
	struct signal_struct *signal;
} __attribute__((preserve_access_index));

/* Up to 5.13 the field is called state and is a signed long (2f064a59a11f). */
struct task_struct___before_5_14 {
	volatile long state;
} __attribute__((preserve_access_index));

/* Up to 5.4 the start time since boot is called real_start_time (cf25e24db61c). */
struct task_struct___before_5_5 {
	__u64 real_start_time;
} __attribute__((preserve_access_index));

/* Up to 4.18 a task has its pids itself (2c4704756cab). */
struct task_struct___before_4_19 {
	struct pid_link___before_4_19 pids[PIDTYPE_MAX];
} __attribute__((preserve_access_index));

struct seen {
	__u64 state;
	__u64 start_ticks;
	__u64 resident_pages;
	__s64 changed;
	__u64 capabilities;
	__u32 pid;
	__u32 group;
	__u32 session;
	char program[NAME_LENGTH];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct seen);
} tasks SEC(".maps");

/* What tasks have for a memory when they are about to end. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} memories SEC(".maps");

static __always_inline __u64 state_of(struct task_struct *task)
{
	struct task_struct___before_5_14 *old = (void *)task;
	unsigned int state = 0;
	long old_state = 0;

	if (bpf_core_field_exists(task->__state)) {
		READ(state, task->__state);
		return state;
	}
	READ(old_state, old->state);
	return old_state;
}

static __always_inline __u64 start_of(struct task_struct *task)
{
	struct task_struct___before_5_5 *old = (void *)task;
	__u64 start = 0;

	if (bpf_core_field_exists(task->start_boottime))
		READ(start, task->start_boottime);
	else
		READ(start, old->real_start_time);
	return start;
}

/* A macro, because the index must be a constant where the access is written: with a
 * variable clang relocates to the array only, and takes elements for as large as they
 * are declared here.
 */
#define COUNTER(into, mm, index)                                                       \
	do {                                                                           \
		struct mm_struct___before_6_2 *old_mm = (void *)(mm);                  \
		if (bpf_core_type_exists(struct mm_rss_stat___before_6_2))             \
			READ(into, old_mm->rss_stat.count[index].counter);             \
		else                                                                   \
			READ(into, (mm)->rss_stat[index].count);                       \
	} while (0)

static __always_inline __u64 resident_pages_of(struct mm_struct *mm)
{
	__s64 file = 0, anonymous = 0, shared = 0;
	struct mm_rss_stat___before_6_2 *old = 0;

	COUNTER(file, mm, FILE_PAGES);
	COUNTER(anonymous, mm, ANONYMOUS_PAGES);
	/* Shared memory is counted by itself since 4.5 (eca56ff906bd). */
	if (!bpf_core_type_exists(struct mm_rss_stat___before_6_2) ||
	    bpf_core_field_exists(old->count[SHARED_PAGES]))
		COUNTER(shared, mm, SHARED_PAGES);
	return file + anonymous + shared;
}

static __always_inline __s64 changed_of(struct inode *inode)
{
	struct inode___before_6_11 *before_6_11 = (void *)inode;
	struct inode___before_6_6 *before_6_6 = (void *)inode;
	__s64 seconds = 0;

	if (bpf_core_field_exists(inode->i_ctime_sec))
		READ(seconds, inode->i_ctime_sec);
	else if (bpf_core_field_exists(before_6_11->__i_ctime))
		READ(seconds, before_6_11->__i_ctime.tv_sec);
	else
		READ(seconds, before_6_6->i_ctime.tv_sec);
	return seconds;
}

static __always_inline __u64 capabilities_of(const struct cred *cred)
{
	const struct cred___before_6_3 *old = (const void *)cred;
	__u32 low = 0, high = 0;
	__u64 both = 0;

	if (bpf_core_field_exists(cred->cap_effective.val)) {
		READ(both, cred->cap_effective.val);
		return both;
	}
	READ(low, old->cap_effective.cap[0]);
	READ(high, old->cap_effective.cap[1]);
	return (__u64)high << 32 | low;
}

static __always_inline __u32 number_of(struct pid *pid)
{
	int number = 0;

	/* The first one: as the initial namespace numbers it. */
	READ(number, pid->numbers[0].nr);
	return number;
}

static __always_inline struct pid *pid_of(struct task_struct *task)
{
	struct task_struct___before_4_19 *old = (void *)task;
	struct pid *pid = 0;

	if (bpf_core_field_exists(task->thread_pid))
		READ(pid, task->thread_pid);
	else
		READ(pid, old->pids[PIDTYPE_PID].pid);
	return pid;
}

/* A pointer at a place that only the target's enum tells: the array's field is
 * relocated, the index is an enumerator's value in the running kernel.
 */
static __always_inline struct pid *related_pid(struct task_struct *task, __u64 type)
{
	struct task_struct___before_4_19 *old = (void *)task;
	struct signal_struct *signal = 0;
	struct pid *pid = 0;

	if (bpf_core_field_exists(task->thread_pid)) {
		READ(signal, task->signal);
		bpf_probe_read_kernel(&pid, sizeof(pid), &signal->pids[0] + type);
		return pid;
	}
	bpf_probe_read_kernel(
		&pid, sizeof(pid),
		(void *)&old->pids[0].pid +
			type * bpf_core_type_size(struct pid_link___before_4_19));
	return pid;
}

static __always_inline void program_of(struct mm_struct *mm, char name[NAME_LENGTH])
{
	struct dentry___before_6_14 *old;
	struct dentry *dentry = 0;
	struct file *file = 0;

	READ(file, mm->exe_file);
	READ(dentry, file->f_path.dentry);
	old = (void *)dentry;
	if (bpf_core_field_exists(dentry->d_shortname))
		bpf_core_read(name, NAME_LENGTH, &dentry->d_shortname.string);
	else
		bpf_core_read(name, NAME_LENGTH, &old->d_iname);
}

static __always_inline void record(struct task_struct *task)
{
	const struct cred *cred = 0;
	struct fs_struct *fs = 0;
	struct dentry *directory = 0;
	struct inode *inode = 0;
	struct mm_struct *mm = 0;
	struct seen seen = {};
	__u32 key = 0;

	READ(key, task->pid);
	READ(mm, task->mm);
	READ(fs, task->fs);
	READ(directory, fs->pwd.dentry);
	READ(inode, directory->d_inode);
	READ(cred, task->cred);
	seen.state = state_of(task);
	seen.start_ticks = start_of(task) / NS_PER_TICK;
	seen.resident_pages = resident_pages_of(mm);
	seen.changed = changed_of(inode);
	seen.capabilities = capabilities_of(cred);
	seen.pid = number_of(pid_of(task));
	seen.group = number_of(
		related_pid(task, bpf_core_enum_value(enum pid_type, PIDTYPE_PGID)));
	seen.session = number_of(
		related_pid(task, bpf_core_enum_value(enum pid_type, PIDTYPE_SID)));
	program_of(mm, seen.program);
	bpf_map_update_elem(&tasks, &key, &seen, BPF_ANY);
}

SEC("kprobe/wake_up_new_task")
int on_new_task(struct pt_regs *ctx)
{
	struct task_struct *task = (void *)PT_REGS_PARM1(ctx);
	struct task_struct *parent = 0;
	struct list_head *head, *link = 0;

	READ(parent, task->parent);
	head = __builtin_preserve_access_index(&parent->children);
	READ(link, head->next);
	record((void *)link - bpf_core_field_offset(struct task_struct, sibling));
	return 0;
}

/* It has given its memory back by then: mm is 0, as it is not in active_mm beside it.
 */
SEC("kprobe/exit_files")
int on_exit(struct pt_regs *ctx)
{
	struct task_struct *task = (void *)PT_REGS_PARM1(ctx);
	__u32 pid = 0;
	__u64 mm = 0;

	READ(pid, task->pid);
	READ(mm, task->mm);
	bpf_map_update_elem(&memories, &pid, &mm, BPF_ANY);
	return 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
