/*
 * A bounded pull scanner for the XML that S3 servers send: elements, text, entities,
 * CDATA, comments. Document types and processing instructions after the first line are
 * refused; attributes are stepped over. Nothing is allocated, the input is borrowed.
 *
 * Thread rule: a struct xml belongs to one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define XML_DEPTH_MAX 16

struct xml_slice {
	const char *p;
	size_t len;
};

enum xml_event {
	XML_START, /* an element begins; its name is in `name` */
	XML_END,   /* the innermost open element ends */
	XML_TEXT,  /* a piece of its text; xml_text() decodes it */
	XML_DONE,  /* the root has ended and so has the input */
	XML_BAD	   /* malformed, too deep or refused; stays so */
};

struct xml {
	const char *p;
	const char *end;
	struct xml_slice open[XML_DEPTH_MAX];
	size_t depth;
	struct xml_slice name; /* of the last XML_START */
	struct xml_slice raw;  /* of the last XML_TEXT */
	bool raw_is_cdata;
	bool closes; /* the last start was <empty/> */
	bool begun;
	bool bad;
};

void xml_init(struct xml *x, const void *data, size_t len);
enum xml_event xml_next(struct xml *x);
/* After XML_START: is the element called so (without a namespace prefix)? */
bool xml_is(const struct xml *x, const char *name);
/*
 * After XML_START: the whole text of that element, up to and with its end, decoded and
 * with its NUL in out. False, and the scanner is bad, when it holds elements, a NUL or an
 * unknown entity, or does not fit in size.
 */
bool xml_leaf(struct xml *x, char *out, size_t size);
/* After XML_START: everything up to and with its end. False when the input is bad. */
bool xml_skip(struct xml *x);
