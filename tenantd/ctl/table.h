/*
 * Text tables for people. Widths grow with what comes, so that a long list can be printed
 * page by page without holding it all.
 *
 * Cells come from a server and from other people: control characters (an escape sequence in
 * a label, say) never reach the terminal, each becomes '?'. Width is counted in code points.
 *
 * Thread rule: one thread at a time.
 */
#pragma once

#include "base/buf.h"

#define CTL_TABLE_COLUMNS 10
#define CTL_CELLS_MAX (16 * 1024 * 1024)

struct ctl_table {
	size_t columns;
	const char *titles[CTL_TABLE_COLUMNS];
	size_t width[CTL_TABLE_COLUMNS];
	bool titled;  /* the titles are out */
	size_t cells; /* in `text`, each ended by a NUL */
	struct td_buf text;
};

/* titles: borrowed, count <= CTL_TABLE_COLUMNS; ends with ctl_table_done. */
void ctl_table_init(struct ctl_table *t, const char *const *titles, size_t count);
void ctl_table_done(struct ctl_table *t);
/* Append the next cell, left to right, row after row. NULL and "" are shown as "-". */
void ctl_table_cell(struct ctl_table *t, const char *text);
/* Print the rows so far to out and forget them; the titles come with the first ones. Does
 * nothing when there are none. TD_NOMEM, TD_TOO_LARGE. */
enum td_rc ctl_table_flush(struct ctl_table *t, struct td_buf *out) TD_MUST_CHECK;

/* s with every control character as '?'; bytes that are no UTF-8 too. */
void ctl_add_clean(struct td_buf *out, const char *s);
/* "512 B", "1 GiB", "1.5 GiB": exact when it is shown without a dot. */
#define CTL_SIZE_TEXT 24
void ctl_size_text(uint64_t bytes, char out[CTL_SIZE_TEXT]);
