/* SPDX-License-Identifier: Apache-2.0 */
/* Places in this agent that programs can be attached to, because suites need one that
 * is in every guest: usdt/usr/bin/agent:agent:NAME.
 */
#ifndef USDT_H
#define USDT_H

#ifdef __s390x__
#define USDT_NOP "nop 0"
#else
#define USDT_NOP "nop"
#endif

/* A place with one number. The note is laid out as that of SystemTap's sys/sdt.h,
 * version 3, which libbpf reads (src/usdt.c): where the place is, no base and no
 * semaphore, and the texts.
 */
#define USDT(provider, name, value)                                                    \
	__asm__ volatile("990: " USDT_NOP "\n"                                         \
			 ".pushsection .note.stapsdt, \"\", \"note\"\n"                \
			 ".balign 4\n"                                                 \
			 ".4byte 992f - 991f, 994f - 993f, 3\n"                        \
			 "991: .asciz \"stapsdt\"\n"                                   \
			 "992: .balign 4\n"                                            \
			 "993: .8byte 990b, 0, 0\n"                                    \
			 ".asciz \"" #provider "\", \"" #name "\", \"-8@%0\"\n"        \
			 "994: .balign 4\n"                                            \
			 ".popsection\n"                                               \
			 :                                                             \
			 : "r"((long long)(value)))

#endif
