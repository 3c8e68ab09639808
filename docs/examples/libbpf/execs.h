/* SPDX-License-Identifier: GPL-2.0 */
/* What the program sends and the tool reads. */
struct exec {
	int pid;
	int parent;
	char name[16];
};
