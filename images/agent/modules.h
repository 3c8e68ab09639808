/* SPDX-License-Identifier: Apache-2.0 */
/* The modules of every guest of a kernel. */
#ifndef MODULES_H
#define MODULES_H

/* Loads what /etc/modules names, in its order: they need each other. One that does not
 * load is told on the console, and costs what needs it.
 */
void load_modules(void);

#endif
