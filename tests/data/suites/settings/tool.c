/* SPDX-License-Identifier: Apache-2.0 */
/* Something for probes: works twice, and ends. */
__attribute__((noinline)) int work(int times)
{
	__asm__ volatile("");
	return times + 1;
}

int main(void)
{
	return work(work(0)) != 2;
}
