/*
 * Every parser is a walk over the scanner that knows the elements it wants, steps over
 * all others, and insists on the root's name and on the end of the input: a page that was
 * cut off must not pass as a short one.
 */
#include "minio/listing.h"

#include "minio/xml.h"

#include <stdlib.h>
#include <string.h>

static enum td_rc
corrupt(struct td_err *reterr, const char *what)
{
	return td_err_set(reterr, TD_CORRUPT, "minio: unreadable %s", what);
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* encoding-type=url, in place: %XX and '+' for a space. */
static bool
url_decode(char *s)
{
	char *out = s;

	while (*s) {
		if (*s == '%') {
			int high = hex_value(s[1]);
			int low = high < 0 ? -1 : hex_value(s[2]);

			if (low < 0 || high * 16 + low == 0)
				return false;
			*out++ = (char)(high * 16 + low);
			s += 3;
		} else {
			*out++ = *s == '+' ? ' ' : *s;
			s++;
		}
	}
	*out = '\0';
	return true;
}

static bool
number_parse(const char *s, uint64_t *ret)
{
	uint64_t v = 0;

	if (!*s)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || v > (UINT64_MAX - 9) / 10)
			return false;
		v = v * 10 + (uint64_t)(*s - '0');
	}
	*ret = v;
	return true;
}

/* What one entry is read into before it is copied. */
struct entry_text {
	char key[3 * S3_KEY_MAX + 1];
	char id[S3_ID_MAX + 1];
	char size[24];
};

static enum td_rc
entry_store(struct s3_page *page, const struct entry_text *text, bool delete_marker,
	    struct td_err *reterr)
{
	struct s3_entry one = { .delete_marker = delete_marker };

	if (page->count == S3_PAGE_MAX)
		return corrupt(reterr, "listing (too many entries)");
	if (text->size[0] && !number_parse(text->size, &one.size))
		return corrupt(reterr, "size in a listing");
	if (!page->entries) {
		page->entries = calloc(S3_PAGE_MAX, sizeof(*page->entries));
		if (!page->entries)
			return td_err_set(reterr, TD_NOMEM, "no memory for a listing");
	}
	one.key = strdup(text->key);
	one.id = strdup(text->id);
	page->entries[page->count++] = one;
	if (!one.key || !one.id)
		return td_err_set(reterr, TD_NOMEM, "no memory for a listing");
	return TD_OK;
}

static enum td_rc
entry_parse(struct xml *x, struct s3_page *page, bool delete_marker,
	    struct td_err *reterr)
{
	struct entry_text text = { 0 };
	enum xml_event event;

	while ((event = xml_next(x)) != XML_END) {
		bool ok = event == XML_START || event == XML_TEXT;

		if (event == XML_START && xml_is(x, "Key"))
			ok = xml_leaf(x, text.key, sizeof(text.key)) &&
			     url_decode(text.key);
		else if (event == XML_START &&
			 (xml_is(x, "VersionId") || xml_is(x, "UploadId")))
			ok = xml_leaf(x, text.id, sizeof(text.id));
		else if (event == XML_START && xml_is(x, "Size"))
			ok = xml_leaf(x, text.size, sizeof(text.size));
		else if (event == XML_START)
			ok = xml_skip(x);
		if (!ok)
			return corrupt(reterr, "entry in a listing");
	}
	if (!text.key[0] || strlen(text.key) > S3_KEY_MAX)
		return corrupt(reterr, "key in a listing");
	return entry_store(page, &text, delete_marker, reterr);
}

static bool
marker_parse(struct xml *x, struct s3_page *page, bool *ret_taken)
{
	char text[3 * S3_KEY_MAX + 1];

	*ret_taken = true;
	if (xml_is(x, "IsTruncated")) {
		if (!xml_leaf(x, text, sizeof(text)))
			return false;
		page->truncated = strcmp(text, "true") == 0;
		return page->truncated || strcmp(text, "false") == 0;
	}
	if (xml_is(x, "NextKeyMarker")) {
		if (!xml_leaf(x, text, sizeof(text)) || !url_decode(text) ||
		    strlen(text) > S3_KEY_MAX)
			return false;
		memcpy(page->next_key, text, strlen(text) + 1);
		return true;
	}
	if (xml_is(x, "NextVersionIdMarker") || xml_is(x, "NextUploadIdMarker") ||
	    xml_is(x, "NextContinuationToken"))
		return xml_leaf(x, page->next_id, sizeof(page->next_id));
	*ret_taken = false;
	return true;
}

struct listing_words {
	const char *root;
	const char *entry;
};

static enum td_rc
page_walk(struct xml *x, const struct listing_words *words, struct s3_page *page,
	  struct td_err *reterr)
{
	enum xml_event event;

	if (xml_next(x) != XML_START || !xml_is(x, words->root))
		return corrupt(reterr, words->root);
	while ((event = xml_next(x)) != XML_END) {
		bool marker = xml_is(x, "DeleteMarker");
		enum td_rc rc;
		bool taken;

		if (event == XML_TEXT)
			continue;
		if (event != XML_START)
			return corrupt(reterr, words->root);
		if (xml_is(x, words->entry) || marker) {
			rc = entry_parse(x, page, marker, reterr);
			if (rc != TD_OK)
				return rc;
			continue;
		}
		if (!marker_parse(x, page, &taken) || (!taken && !xml_skip(x)))
			return corrupt(reterr, words->root);
	}
	if (xml_next(x) != XML_DONE)
		return corrupt(reterr, words->root);
	if (page->truncated && !page->next_key[0] && !page->next_id[0])
		return corrupt(reterr, "listing (truncated, without a marker)");
	return TD_OK;
}

enum td_rc
s3_page_parse(enum s3_list list, const void *body, size_t len, struct s3_page *ret,
	      struct td_err *reterr)
{
	static const struct listing_words words[] = {
		[S3_LIST_OBJECTS] = { "ListBucketResult", "Contents" },
		[S3_LIST_VERSIONS] = { "ListVersionsResult", "Version" },
		[S3_LIST_UPLOADS] = { "ListMultipartUploadsResult", "Upload" },
	};
	struct s3_page page = { 0 };
	struct xml x;
	enum td_rc rc;

	xml_init(&x, body, len);
	rc = page_walk(&x, &words[list], &page, reterr);
	if (rc != TD_OK) {
		s3_page_done(&page);
		return rc;
	}
	*ret = page;
	return TD_OK;
}

void
s3_page_done(struct s3_page *page)
{
	for (size_t i = 0; i < page->count; i++) {
		free(page->entries[i].key);
		free(page->entries[i].id);
	}
	free(page->entries);
	page->entries = NULL;
	page->count = 0;
}

/* The text of the children `a` and `b` of the element that has just begun. */
struct pair {
	const char *a_name;
	char *a;
	size_t a_size;
	const char *b_name;
	char *b;
	size_t b_size;
};

static bool
pair_parse(struct xml *x, const struct pair *want)
{
	enum xml_event event;

	while ((event = xml_next(x)) != XML_END) {
		bool ok = event == XML_START || event == XML_TEXT;

		if (event == XML_START && xml_is(x, want->a_name))
			ok = xml_leaf(x, want->a, want->a_size);
		else if (event == XML_START && xml_is(x, want->b_name))
			ok = xml_leaf(x, want->b, want->b_size);
		else if (event == XML_START)
			ok = xml_skip(x);
		if (!ok)
			return false;
	}
	return true;
}

static bool
refused_parse(struct xml *x, struct s3_deleted *ret)
{
	char code[sizeof(ret->first_code)] = "";
	char key[S3_KEY_MAX + 1] = "";
	struct pair want = { "Code", code, sizeof(code), "Key", key, sizeof(key) };

	if (!pair_parse(x, &want))
		return false;
	if (ret->refused++ == 0)
		memcpy(ret->first_code, code, sizeof(code));
	return true;
}

enum td_rc
s3_deleted_parse(const void *body, size_t len, struct s3_deleted *ret,
		 struct td_err *reterr)
{
	struct s3_deleted found = { 0 };
	enum xml_event event;
	struct xml x;

	xml_init(&x, body, len);
	if (xml_next(&x) != XML_START || !xml_is(&x, "DeleteResult"))
		return corrupt(reterr, "DeleteResult");
	while ((event = xml_next(&x)) != XML_END) {
		bool ok = event == XML_START || event == XML_TEXT;

		if (event == XML_START && xml_is(&x, "Error")) {
			ok = refused_parse(&x, &found);
		} else if (event == XML_START) {
			ok = xml_skip(&x);
		}
		if (!ok)
			return corrupt(reterr, "DeleteResult");
	}
	if (xml_next(&x) != XML_DONE)
		return corrupt(reterr, "DeleteResult");
	*ret = found;
	return TD_OK;
}

/* <TagSet><Tag>..</Tag>..</TagSet>, begun. */
static bool
tag_set_parse(struct xml *x, struct s3_tag *out, size_t max, size_t *count)
{
	enum xml_event event;

	while ((event = xml_next(x)) != XML_END) {
		bool ok = event == XML_START || event == XML_TEXT;

		if (event == XML_START && xml_is(x, "Tag")) {
			struct s3_tag tag = { 0 };
			struct pair want = { "Key",   tag.key,	 sizeof(tag.key),
					     "Value", tag.value, sizeof(tag.value) };

			ok = *count < max && pair_parse(x, &want);
			if (ok)
				out[(*count)++] = tag;
		} else if (event == XML_START) {
			ok = xml_skip(x);
		}
		if (!ok)
			return false;
	}
	return true;
}

enum td_rc
s3_tags_parse(const void *body, size_t len, struct s3_tag *out, size_t max,
	      size_t *ret_count, struct td_err *reterr)
{
	enum xml_event event;
	size_t count = 0;
	struct xml x;

	xml_init(&x, body, len);
	if (xml_next(&x) != XML_START || !xml_is(&x, "Tagging"))
		return corrupt(reterr, "Tagging");
	while ((event = xml_next(&x)) != XML_END) {
		bool ok = event == XML_START || event == XML_TEXT;

		if (event == XML_START && xml_is(&x, "TagSet"))
			ok = tag_set_parse(&x, out, max, &count);
		else if (event == XML_START)
			ok = xml_skip(&x);
		if (!ok)
			return corrupt(reterr, "Tagging");
	}
	if (xml_next(&x) != XML_DONE)
		return corrupt(reterr, "Tagging");
	*ret_count = count;
	return TD_OK;
}

static bool
credentials_parse(struct xml *x, struct sts_text *ret)
{
	const struct {
		const char *name;
		char *out;
		size_t size;
	} want[] = {
		{ "AccessKeyId", ret->access_key, sizeof(ret->access_key) },
		{ "SecretAccessKey", ret->secret_key, sizeof(ret->secret_key) },
		{ "SessionToken", ret->session_token, sizeof(ret->session_token) },
		{ "Expiration", ret->expiration, sizeof(ret->expiration) },
	};
	enum xml_event event;

	while ((event = xml_next(x)) != XML_END) {
		bool taken = false;

		if (event == XML_TEXT)
			continue;
		if (event != XML_START)
			return false;
		for (size_t i = 0; !taken && i < sizeof(want) / sizeof(want[0]); i++) {
			if (!xml_is(x, want[i].name))
				continue;
			if (!xml_leaf(x, want[i].out, want[i].size))
				return false;
			taken = true;
		}
		if (!taken && !xml_skip(x))
			return false;
	}
	return true;
}

enum td_rc
sts_parse(const void *body, size_t len, struct sts_text *ret, struct td_err *reterr)
{
	enum xml_event event;
	struct xml x;

	memset(ret, 0, sizeof(*ret));
	xml_init(&x, body, len);
	while ((event = xml_next(&x)) != XML_DONE) {
		bool ok = event != XML_BAD;

		if (event == XML_START && xml_is(&x, "Credentials"))
			ok = credentials_parse(&x, ret);
		else if (event == XML_START && !xml_is(&x, "AssumeRoleResponse") &&
			 !xml_is(&x, "AssumeRoleResult"))
			ok = xml_skip(&x);
		if (!ok)
			break;
	}
	if (event != XML_DONE || !ret->access_key[0] || !ret->secret_key[0] ||
	    !ret->session_token[0]) {
		explicit_bzero(ret, sizeof(*ret));
		return corrupt(reterr, "AssumeRoleResponse");
	}
	return TD_OK;
}
