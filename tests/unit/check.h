/*
 * cmocka with what it needs in front of it, and rows: a table test says in a sentence
 * which row failed.
 *
 *     static const struct row { const char *says; ... } rows[] = { { "a sentence", ... } };
 *     for (EACH(row, rows))
 *             CHECK(row->says, f(row->in) == row->out);
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A loop over an array; `row` is a pointer to its element. */
#define EACH(row, array)                                                                 \
	__typeof__(&(array)[0]) row = (array);                                           \
	row < (array) + sizeof(array) / sizeof((array)[0]);                              \
	row++

#define CHECK(says, condition)                                                           \
	do {                                                                             \
		if (!(condition))                                                        \
			fail_msg("%s (%s)", (says), #condition);                         \
	} while (0)
