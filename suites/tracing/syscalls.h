/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What names of system calls' functions begin with since they take the caller's
 * registers: on x86 from 4.17 on (d5a00528b58c), on arm64 from 4.19 (4378a7d4be30), on
 * s390x from 5.1 (aa0d6e70d3b3), on riscv64 from 6.6 (08d0ce30e0e4).
 */
#ifndef SYSCALLS_H
#define SYSCALLS_H

#if defined(__TARGET_ARCH_arm64)
#define SYS_PREFIX "__arm64_sys_"
#elif defined(__TARGET_ARCH_s390)
#define SYS_PREFIX "__s390x_sys_"
#elif defined(__TARGET_ARCH_riscv)
#define SYS_PREFIX "__riscv_sys_"
#else
#define SYS_PREFIX "__x64_sys_"
#endif

#endif
