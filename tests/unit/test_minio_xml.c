/*
 * The XML scanner and the readers of listings: what S3 servers send, and what a broken or
 * hostile one might.
 */
#include "check.h"

#include "base/buf.h"
#include "minio/listing.h"
#include "minio/xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A document as "(a(b:text)b)a"; "!" where the scanner gave up. */
static void
outline(const char *doc, char *out, size_t size)
{
	enum xml_event event;
	struct xml x;
	size_t n = 0;

	out[0] = '\0';
	xml_init(&x, doc, strlen(doc));
	while ((event = xml_next(&x)) != XML_DONE) {
		const struct xml_slice *s = event == XML_TEXT ? &x.raw : &x.name;
		char what = event == XML_START ? '(' : event == XML_TEXT ? ':' : ')';

		if (event == XML_BAD) {
			snprintf(out + n, size - n, "!");
			return;
		}
		n += (size_t)snprintf(out + n, size - n, "%c%.*s", what,
				      event == XML_END ? 0 : (int)s->len, s->p);
	}
}

static void
documents(void **state)
{
	static const struct {
		const char *says;
		const char *doc;
		const char *want;
	} rows[] = {
		{ "plain", "<a><b>x</b></a>", "(a(b:x))" },
		{ "a declaration and a byte order mark",
		  "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a/>\n",
		  "(a)" },
		{ "attributes and a namespace",
		  "<a xmlns='u' b = \"x > y\" ><p:c d=''/></a>", "(a(p:c))" },
		{ "comments, also around the root",
		  "<!-- 1 --><a><!-- <b> -->x</a><!-- 2 -->", "(a:x)" },
		{ "CDATA", "<a><![CDATA[<&>]]]></a>", "(a:<&>])" },
		{ "nothing", "", "!" },
		{ "space only", " \n", "!" },
		{ "text only", "x", "!" },
		{ "an end that was not begun", "</a>", "!" },
		{ "ends that do not match", "<a><b></a></b>", "(a(b!" },
		{ "cut off in an element", "<a><b>x</b>", "(a(b:x)!" },
		{ "cut off in a tag", "<a><b", "(a!" },
		{ "cut off in an attribute", "<a b=\"x", "!" },
		{ "two roots", "<a/><b/>", "(a)!" },
		{ "text behind the root", "<a/>x", "(a)!" },
		{ "a document type", "<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>", "!" },
		{ "a processing instruction inside", "<a><?php ?></a>", "(a!" },
		{ "an attribute without a value", "<a b></a>", "!" },
		{ "a < in an attribute", "<a b=\"<\"/>", "!" },
		{ "attributes without space between", "<a b=\"1\"c=\"2\"/>", "!" },
		{ "an open comment", "<a><!-- x</a>", "(a!" },
		{ "an open CDATA", "<a><![CDATA[x</a>", "(a!" },
		{ "a name that begins with a digit", "<1a/>", "!" },
	};

	(void)state;
	for (EACH(row, rows)) {
		char got[256];

		outline(row->doc, got, sizeof(got));
		if (strcmp(got, row->want) != 0)
			fail_msg("%s: \"%s\", not \"%s\"", row->says, got, row->want);
	}
}

static void
nest(size_t levels, char *got, size_t size)
{
	struct td_buf doc;

	td_buf_init(&doc, 4096);
	for (size_t i = 0; i < levels; i++)
		td_buf_str(&doc, "<a>");
	for (size_t i = 0; i < levels; i++)
		td_buf_str(&doc, "</a>");
	outline(td_buf_cstr(&doc), got, size);
	td_buf_done(&doc);
}

static void
depth(void **state)
{
	char got[1024];

	(void)state;
	nest(XML_DEPTH_MAX, got, sizeof(got));
	assert_null(strchr(got, '!'));
	nest(XML_DEPTH_MAX + 1, got, sizeof(got));
	assert_non_null(strchr(got, '!'));
}

static void
texts(void **state)
{
	static const struct {
		const char *says;
		const char *doc;
		const char *want; /* NULL: refused */
	} rows[] = {
		{ "all named entities", "<a>&lt;&gt;&amp;&quot;&apos;</a>", "<>&\"'" },
		{ "numbers", "<a>&#65;&#x42;&#xe9;&#x20AC;&#x1F600;</a>",
		  "AB\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "pieces around comments and CDATA",
		  "<a>1<!-- x -->2<![CDATA[&amp;]]>3</a>", "12&amp;3" },
		{ "empty", "<a></a>", "" },
		{ "as long as fits", "<a>0123456789abcde</a>", "0123456789abcde" },
		{ "one byte too long", "<a>0123456789abcdef</a>", NULL },
		{ "an entity that would not fit", "<a>0123456789abcd&#x20AC;</a>", NULL },
		{ "an unknown entity", "<a>&nbsp;</a>", NULL },
		{ "an open entity", "<a>&amp</a>", NULL },
		{ "a bare ampersand", "<a>a & b</a>", NULL },
		{ "the number 0", "<a>&#0;</a>", NULL },
		{ "a surrogate", "<a>&#xD800;</a>", NULL },
		{ "beyond Unicode", "<a>&#x110000;</a>", NULL },
		{ "a number that overflows", "<a>&#4294967361;</a>", NULL },
		{ "a number without digits", "<a>&#x;</a>", NULL },
		{ "an element inside", "<a>x<b/></a>", NULL },
	};

	(void)state;
	for (EACH(row, rows)) {
		char out[16];
		struct xml x;
		bool ok;

		xml_init(&x, row->doc, strlen(row->doc));
		assert_int_equal(xml_next(&x), XML_START);
		ok = xml_leaf(&x, out, sizeof(out));
		CHECK(row->says, ok == (row->want != NULL));
		CHECK(row->says, !ok || strcmp(out, row->want) == 0);
		CHECK(row->says, ok || xml_next(&x) == XML_BAD);
	}
}

static void
a_nul_is_refused(void **state)
{
	static const char doc[] = "<a>x\0y</a>";
	char out[16];
	struct xml x;

	(void)state;
	xml_init(&x, doc, sizeof(doc) - 1);
	assert_int_equal(xml_next(&x), XML_START);
	assert_false(xml_leaf(&x, out, sizeof(out)));
}

/* ---- listings ---- */

static const char versions[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	"<ListVersionsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
	"<Name>b</Name><Prefix></Prefix><KeyMarker></KeyMarker>"
	"<NextKeyMarker>dir%2Fb+c</NextKeyMarker>"
	"<NextVersionIdMarker>v9</NextVersionIdMarker><MaxKeys>3</MaxKeys>"
	"<IsTruncated>true</IsTruncated>"
	"<Version><Key>a%26%3C%C3%A9</Key><LastModified>x</"
	"LastModified><ETag>&#34;1&#34;</ETag>"
	"<Size>42</Size><Owner><ID>1</ID><DisplayName>m</DisplayName></Owner>"
	"<VersionId>v1</VersionId><IsLatest>true</IsLatest></Version>"
	"<DeleteMarker><Key>dir%2Fb+c</Key><VersionId>v9</VersionId></DeleteMarker>"
	"<EncodingType>url</EncodingType></ListVersionsResult>";

static void
listing_of_versions(void **state)
{
	struct s3_page page;

	(void)state;
	assert_int_equal(s3_page_parse(S3_LIST_VERSIONS, versions, sizeof(versions) - 1,
				       &page, NULL),
			 TD_OK);
	assert_int_equal(page.count, 2);
	assert_string_equal(page.entries[0].key, "a&<\xc3\xa9");
	assert_string_equal(page.entries[0].id, "v1");
	assert_int_equal(page.entries[0].size, 42);
	assert_false(page.entries[0].delete_marker);
	assert_string_equal(page.entries[1].key, "dir/b c");
	assert_true(page.entries[1].delete_marker);
	assert_true(page.truncated);
	assert_string_equal(page.next_key, "dir/b c");
	assert_string_equal(page.next_id, "v9");
	s3_page_done(&page);
	s3_page_done(&page);
}

static void
every_cut_of_a_listing_is_refused(void **state)
{
	struct s3_page page;

	(void)state;
	for (size_t len = 0; len < sizeof(versions) - 1; len++) {
		char *copy = malloc(len + 1);

		assert_non_null(copy);
		memcpy(copy, versions, len);
		assert_int_equal(s3_page_parse(S3_LIST_VERSIONS, copy, len, &page, NULL),
				 TD_CORRUPT);
		free(copy);
	}
}

static void
other_listings(void **state)
{
	static const char objects[] =
		"<ListBucketResult><KeyCount>1</KeyCount><IsTruncated>true</IsTruncated>"
		"<NextContinuationToken>abc==</NextContinuationToken>"
		"<Contents><Key>k</Key><Size>7</Size></Contents></ListBucketResult>";
	static const char uploads[] =
		"<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>"
		"<Upload><Key>big%2F1</Key><UploadId>id-1</UploadId><Initiator><ID>x</ID>"
		"</Initiator></Upload></ListMultipartUploadsResult>";
	struct s3_page page;

	(void)state;
	assert_int_equal(
		s3_page_parse(S3_LIST_OBJECTS, objects, sizeof(objects) - 1, &page, NULL),
		TD_OK);
	assert_int_equal(page.count, 1);
	assert_string_equal(page.next_id, "abc==");
	s3_page_done(&page);
	assert_int_equal(
		s3_page_parse(S3_LIST_UPLOADS, uploads, sizeof(uploads) - 1, &page, NULL),
		TD_OK);
	assert_string_equal(page.entries[0].key, "big/1");
	assert_string_equal(page.entries[0].id, "id-1");
	s3_page_done(&page);
}

static void
listings_that_lie(void **state)
{
	static const struct {
		const char *says;
		const char *doc;
	} rows[] = {
		{ "an error instead of a listing", "<Error><Code>X</Code></Error>" },
		{ "truncated without a marker", "<ListVersionsResult><IsTruncated>true</"
						"IsTruncated></ListVersionsResult>" },
		{ "truncated: perhaps", "<ListVersionsResult><IsTruncated>1</"
					"IsTruncated></ListVersionsResult>" },
		{ "an entry without a key", "<ListVersionsResult><Version><Size>1</"
					    "Size></Version></ListVersionsResult>" },
		{ "a size that is no number",
		  "<ListVersionsResult><Version><Key>k</Key><Size>-1</Size></Version>"
		  "</ListVersionsResult>" },
		{ "a size beyond 64 bits", "<ListVersionsResult><Version><Key>k</"
					   "Key><Size>18446744073709551616</Size>"
					   "</Version></ListVersionsResult>" },
		{ "a broken escape in a key", "<ListVersionsResult><Version><Key>k%4</"
					      "Key></Version></ListVersionsResult>" },
		{ "an escaped NUL in a key", "<ListVersionsResult><Version><Key>k%00</"
					     "Key></Version></ListVersionsResult>" },
	};
	struct s3_page page;

	(void)state;
	for (EACH(row, rows))
		CHECK(row->says,
		      s3_page_parse(S3_LIST_VERSIONS, row->doc, strlen(row->doc), &page,
				    NULL) == TD_CORRUPT);
}

static void
more_entries_than_a_page(void **state)
{
	static const char head[] = "<ListVersionsResult>";
	static const char one[] = "<Version><Key>k</Key></Version>";
	static const char tail[] = "</ListVersionsResult>";
	struct s3_page page;
	struct td_buf doc;

	(void)state;
	td_buf_init(&doc, 1 << 20);
	td_buf_str(&doc, head);
	for (int i = 0; i < S3_PAGE_MAX; i++)
		td_buf_str(&doc, one);
	td_buf_str(&doc, tail);
	assert_int_equal(s3_page_parse(S3_LIST_VERSIONS, doc.data, doc.len, &page, NULL),
			 TD_OK);
	assert_int_equal(page.count, S3_PAGE_MAX);
	s3_page_done(&page);
	doc.len -= strlen(tail);
	td_buf_str(&doc, one);
	td_buf_str(&doc, tail);
	assert_int_equal(s3_page_parse(S3_LIST_VERSIONS, doc.data, doc.len, &page, NULL),
			 TD_CORRUPT);
	td_buf_done(&doc);
}

static void
results_of_deleting(void **state)
{
	static const char doc[] =
		"<DeleteResult xmlns=\"u\"><Deleted><Key>a</Key></Deleted><Error>"
		"<Code>InvalidRequest</Code><Message>Object is WORM protected</Message>"
		"<Key>b</Key><VersionId>1</VersionId></Error><Error><Code>AccessDenied</"
		"Code>"
		"</Error></DeleteResult>";
	struct s3_deleted deleted;

	(void)state;
	assert_int_equal(s3_deleted_parse(doc, sizeof(doc) - 1, &deleted, NULL), TD_OK);
	assert_int_equal(deleted.refused, 2);
	assert_string_equal(deleted.first_code, "InvalidRequest");
	assert_int_equal(s3_deleted_parse(doc, sizeof(doc) - 5, &deleted, NULL),
			 TD_CORRUPT);
}

static void
tags(void **state)
{
	static const char doc[] =
		"<Tagging><TagSet><Tag><Key>a&amp;b</Key><Value>1</Value></Tag>"
		"<Tag><Key>c</Key><Value/></Tag></TagSet></Tagging>";
	struct s3_tag out[2];
	size_t count = 9;

	(void)state;
	assert_int_equal(s3_tags_parse(doc, sizeof(doc) - 1, out, 2, &count, NULL),
			 TD_OK);
	assert_int_equal(count, 2);
	assert_string_equal(out[0].key, "a&b");
	assert_string_equal(out[1].key, "c");
	assert_string_equal(out[1].value, "");
	assert_int_equal(s3_tags_parse(doc, sizeof(doc) - 1, out, 1, &count, NULL),
			 TD_CORRUPT);
}

static void
temporary_keys(void **state)
{
	static const char doc[] =
		"<AssumeRoleResponse "
		"xmlns=\"u\"><AssumeRoleResult><AssumedRoleUser><Arn/>"
		"</AssumedRoleUser><Credentials><AccessKeyId>AK</AccessKeyId>"
		"<SecretAccessKey>SK</SecretAccessKey><Expiration>2026-01-01T00:00:00Z"
		"</Expiration><SessionToken>T</SessionToken></Credentials></"
		"AssumeRoleResult>"
		"<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>"
		"</AssumeRoleResponse>";
	static const char none[] =
		"<AssumeRoleResponse><AssumeRoleResult/></AssumeRoleResponse>";
	struct sts_text text;

	(void)state;
	assert_int_equal(sts_parse(doc, sizeof(doc) - 1, &text, NULL), TD_OK);
	assert_string_equal(text.access_key, "AK");
	assert_string_equal(text.secret_key, "SK");
	assert_string_equal(text.session_token, "T");
	assert_string_equal(text.expiration, "2026-01-01T00:00:00Z");
	assert_int_equal(sts_parse(none, sizeof(none) - 1, &text, NULL), TD_CORRUPT);
	assert_int_equal(sts_parse(doc, sizeof(doc) - 3, &text, NULL), TD_CORRUPT);
	assert_string_equal(text.secret_key, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents),
		cmocka_unit_test(depth),
		cmocka_unit_test(texts),
		cmocka_unit_test(a_nul_is_refused),
		cmocka_unit_test(listing_of_versions),
		cmocka_unit_test(every_cut_of_a_listing_is_refused),
		cmocka_unit_test(other_listings),
		cmocka_unit_test(listings_that_lie),
		cmocka_unit_test(more_entries_than_a_page),
		cmocka_unit_test(results_of_deleting),
		cmocka_unit_test(tags),
		cmocka_unit_test(temporary_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
