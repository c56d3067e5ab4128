/*
 * A line that begins with a dot or a quote would be a request, and a backslash begins an
 * escape anywhere. Ends of sentences end lines because mdoc spaces them by that.
 */
#include "man.h"

static void
add(struct td_buf *out, char c, bool begins_line)
{
	if (begins_line && (c == '.' || c == '\''))
		td_buf_str(out, "\\&");
	if (c == '\\')
		td_buf_str(out, "\\e");
	else
		td_buf_char(out, c);
}

static bool
ends_sentence(const char *at)
{
	return (at[0] == '.' || at[0] == '?') && at[1] == ' ' && at[2] >= 'A' &&
	       at[2] <= 'Z';
}

void
td_man_text(struct td_buf *out, const char *text)
{
	bool begins = true;

	for (; *text != '\0'; text++) {
		if (text[0] == '\n' && text[1] == '\n') {
			td_buf_str(out, "\n.Pp\n");
			text++;
			begins = true;
			continue;
		}
		add(out, *text, begins);
		begins = *text == '\n';
		if (ends_sentence(text)) {
			td_buf_char(out, '\n');
			text++;
			begins = true;
		}
	}
	td_buf_char(out, '\n');
}

void
td_man_literal(struct td_buf *out, const char *text)
{
	bool begins = true;

	td_buf_str(out, ".Bd -literal -offset indent\n");
	for (; *text != '\0'; text++) {
		/* A minus sign, so that what is copied from the page works. */
		if (*text == '-')
			td_buf_str(out, "\\-");
		else
			add(out, *text, begins);
		begins = *text == '\n';
	}
	td_buf_str(out, "\n.Ed\n");
}
