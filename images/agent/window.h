/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that the host writes and the guest reads: a PCI device of QEMU, whose second
 * memory region needs no driver. It is for files that are too large for SSH, which a
 * guest without KVM decrypts at a few megabytes a second.
 */
#ifndef WINDOW_H
#define WINDOW_H

#include "failure.h"

#include <stddef.h>

/* Returns it, mapped once, and its size in bytes. NULL with a failure where there is
 * none, or where the kernel lets nobody map it (lockdown).
 */
const void *window(size_t *size, struct failure *failure);

#endif
