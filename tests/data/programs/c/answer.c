/* SPDX-License-Identifier: Apache-2.0 */
/* A shared library. */
int answer(void)
{
	return 42;
}
