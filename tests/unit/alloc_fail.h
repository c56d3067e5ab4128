/*
 * The n-th allocation fails. A test that lists alloc_fail.c among its sources and
 * WRAP malloc calloc realloc reallocarray strdup strndup runs its subject with n = 0, 1,
 * 2 ... until it gets by without reaching the n-th:
 *
 *     for (long n = 0; n < 1000; n++) {
 *             alloc_fail_at(n);
 *             rc = subject();
 *             if (!alloc_fail_off())
 *                     break;          it succeeded: rc must be TD_OK
 *             ...                     it failed cleanly: rc must be TD_NOMEM
 *     }
 *
 * Only allocations of the code under test count, not those inside shared libraries.
 */
#pragma once

#include <stdbool.h>

/* The n-th allocation of this thread from now on (from 0), and only that one, fails. */
void alloc_fail_at(long n);
/* Ends it; true when an allocation did fail. */
bool alloc_fail_off(void);
