/* SPDX-License-Identifier: Apache-2.0 */
/* Running a program by BPF_PROG_TEST_RUN, from 4.12 on. */
#ifndef TEST_RUN_H
#define TEST_RUN_H

#include "failure.h"

json_t *test_run_operation(const json_t *request, struct failure *failure);

#endif
