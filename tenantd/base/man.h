/*
 * Text into manual pages: mdoc(7) as mandoc and groff read it. Tables of the program (keys of
 * the configuration, commands) write their part of a page themselves.
 *
 * Thread rule: plain functions on a buffer.
 */
#pragma once

#include "buf.h"

/*
 * Text as lines of a page, ended by a newline: nothing in it is taken for a request or an
 * escape, each sentence begins a line, an empty line begins a paragraph.
 */
void td_man_text(struct td_buf *out, const char *text);
/* Lines to be shown as they are, a display of their own. */
void td_man_literal(struct td_buf *out, const char *text);
