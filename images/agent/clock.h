/* SPDX-License-Identifier: Apache-2.0 */
/* Monotonic time in nanoseconds. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_SECOND INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

static inline int64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

static inline struct timespec timespec_of(int64_t ns)
{
	return (struct timespec){.tv_sec = ns / NS_PER_SECOND,
				 .tv_nsec = ns % NS_PER_SECOND};
}

static inline void pause_ns(int64_t ns)
{
	struct timespec time = timespec_of(ns);

	nanosleep(&time, NULL);
}

#endif
