/* SPDX-License-Identifier: Apache-2.0 */
/* QEMU 7.2 keeps its translation of code of s390x whose memory has other content since:
 * of what one instruction writes (MVC, XC, MVCL), it takes notice of the first byte
 * only (fixed by e2faabee78ff, and by e43ced8be18d of January 2025). So it still has
 * the kernel's __init code after free_initmem(), and each plain store to such a page
 * looks for code there: programs that got some of these pages are up to 60 times as
 * slow.
 */
#ifndef OLD_CODE_H
#define OLD_CODE_H

/* Writes to free memory by plain stores, which make QEMU forget. It is what was freed
 * last, as the kernel hands that out first.
 */
void forget_old_code(void);

#endif
