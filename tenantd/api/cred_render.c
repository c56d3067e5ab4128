/*
 * The credential document in its four formats. The templates are written out by hand: a
 * pod start-up storm asks for thousands of these a second.
 */
#include "render.h"

#include <string.h>

static const struct {
	const char *name;
	const char *type;
	char letter;
} formats[API_FORMAT_COUNT] = {
	[API_FORMAT_JSON] = { "json", "application/json", 'j' },
	[API_FORMAT_ENV] = { "env", "text/plain; charset=utf-8", 'e' },
	[API_FORMAT_AWS] = { "aws", "application/json", 'a' },
	[API_FORMAT_PROCESS] = { "credential-process", "application/json", 'p' },
};

bool
api_format_parse(const char *text, enum api_format *ret_format)
{
	for (unsigned i = 0; i < API_FORMAT_COUNT; i++) {
		if (strcmp(formats[i].name, text) == 0) {
			*ret_format = (enum api_format)i;
			return true;
		}
	}
	return false;
}

const char *
api_format_type(enum api_format f)
{
	return formats[f].type;
}

/* td_buf_add without the call, where there is room; a document is some fifty pieces. */
static inline void
put(struct td_buf *b, const char *s, size_t len)
{
	if (b->rc != TD_OK || b->data == NULL || len > b->cap - b->len) {
		td_buf_add(b, s, len);
		return;
	}
	memcpy(b->data + b->len, s, len);
	b->len += len;
	b->data[b->len] = '\0';
}
#define LIT(b, text) put(b, text, sizeof(text) - 1)

static void
put_text(struct td_buf *b, const char *s)
{
	put(b, s, strlen(s));
}

/* Hex without leading zeros; gives the end. */
static char *
put_hex(char *out, uint64_t v)
{
	static const char digits[] = "0123456789abcdef";
	unsigned shift = 60;

	while (shift > 0 && v >> shift == 0)
		shift -= 4;
	for (;; shift -= 4) {
		*out++ = digits[v >> shift & 15];
		if (shift == 0)
			return out;
	}
}

void
api_cred_etag(char out[API_ETAG_SIZE], enum api_format format, uint64_t serial,
	      uint64_t version, const struct api_site *site)
{
	size_t hash = strlen(site->hash);

	*out++ = '"';
	out = put_hex(out, serial);
	*out++ = '.';
	out = put_hex(out, version);
	*out++ = '.';
	memcpy(out, site->hash, hash);
	out += hash;
	*out++ = '.';
	*out++ = formats[format].letter;
	*out++ = '"';
	*out = '\0';
}

/*
 * What is handed out is nearly always of [A-Za-z0-9._-], and then needs no escapes in JSON
 * nor in a URI: one look and one copy instead of a step for each character, which was a
 * third of the whole request.
 */
static bool
plain(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if ((unsigned)(c | 0x20) - 'a' >= 26 && (unsigned)c - '0' >= 10 &&
		    c != '.' && c != '-' && c != '_')
			return false;
	}
	return true;
}

/* The same for JSON alone: printable ASCII but quote and backslash. */
static bool
plain_json(const char *s, size_t len)
{
	return td_printable(s, len, ' ') && memchr(s, '"', len) == NULL &&
	       memchr(s, '\\', len) == NULL;
}

static void
add_uri(struct td_buf *b, const char *s)
{
	size_t len = strlen(s);

	if (plain(s, len))
		put(b, s, len);
	else
		td_buf_uri(b, s, len, TD_URI_COMPONENT);
}

static void
add_json(struct td_buf *b, const char *s)
{
	size_t len = strlen(s);

	if (!plain_json(s, len)) {
		td_buf_json(b, s, len);
		return;
	}
	LIT(b, "\"");
	put(b, s, len);
	LIT(b, "\"");
}

static void
add_uint(struct td_buf *b, uint64_t v)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	put(b, digits + at, sizeof(digits) - at);
}

/* mongodb://user:password@hosts/db?authSource=db... */
static void
mongo_uri(struct td_buf *b, const struct api_site *site, const struct rec_cred *doc)
{
	LIT(b, "mongodb://");
	add_uri(b, doc->username);
	LIT(b, ":");
	add_uri(b, doc->password);
	LIT(b, "@");
	put_text(b, site->mongodb_hosts);
	LIT(b, "/");
	put_text(b, doc->database);
	LIT(b, "?authSource=");
	put_text(b, doc->database);
	put_text(b, site->mongodb_options);
}

#define MEMBER(b, key, text) (LIT(b, key), add_json(b, text))

static void
render_buckets(struct td_buf *b, const struct api_cred *c)
{
	const struct rec_cred *doc = c->doc;

	LIT(b, ",\"buckets\":[");
	for (unsigned i = 0; i < doc->bucket_count; i++) {
		const struct rec_cred_bucket *k = &doc->buckets[i];
		const char *mode = tenant_mode_text((enum drv_bucket_mode)k->mode);

		put_text(b, i == 0 ? "{\"name\":\"" : ",{\"name\":\"");
		put_text(b, k->name);
		LIT(b, "\",\"bucket\":\"");
		put_text(b, c->appid);
		LIT(b, "-");
		put_text(b, k->name);
		MEMBER(b, "\",\"mode\":", mode != NULL ? mode : "private");
		LIT(b, "}");
	}
	LIT(b, "]");
	if (doc->bucket_total > doc->bucket_count && doc->bucket_count > 0)
		td_buf_fmt(b, ",\"more\":\"/v1/tenants/%s/buckets?cursor=%s\"", c->appid,
			   doc->buckets[doc->bucket_count - 1].name);
}

static void
render_json(struct td_buf *b, const struct api_cred *c)
{
	const struct rec_cred *doc = c->doc;

	LIT(b, "{\"appid\":\"");
	put_text(b, c->appid);
	LIT(b, "\",\"serial\":");
	add_uint(b, c->serial);
	if (doc->has_object) {
		MEMBER(b, ",\"object\":{\"access_key\":", doc->access_key);
		MEMBER(b, ",\"secret_key\":", doc->secret_key);
		LIT(b, ",\"session_token\":null,\"expires_at\":null");
		MEMBER(b, ",\"region\":", c->site->s3_region);
		MEMBER(b, ",\"internal_endpoint\":", c->site->internal_endpoint);
		MEMBER(b, ",\"external_endpoint\":", c->site->external_endpoint);
		render_buckets(b, c);
		LIT(b, "}");
	} else {
		LIT(b, ",\"object\":null");
	}
	if (doc->has_database) {
		/* User, password and database are of [A-Za-z0-9.]; the URI is plain ASCII. */
		LIT(b, ",\"database\":{\"uri\":\"");
		mongo_uri(b, c->site, doc);
		MEMBER(b, "\",\"username\":", doc->username);
		MEMBER(b, ",\"password\":", doc->password);
		MEMBER(b, ",\"database\":", doc->database);
		LIT(b, "}");
	} else {
		LIT(b, ",\"database\":null");
	}
	if (doc->has_volume) {
		MEMBER(b, ",\"volume\":{\"driver\":", c->site->volume_driver);
		LIT(b, ",\"bytes\":");
		add_uint(b, doc->volume_bytes);
		LIT(b, "}");
	} else {
		LIT(b, ",\"volume\":null");
	}
	LIT(b, "}\n");
}

/* KEY='value', with ' written as '\'' so that a shell reads back the value. */
static void
env_line(struct td_buf *b, const char *key, const char *value)
{
	put_text(b, key);
	LIT(b, "='");
	for (const char *quote; (quote = strchr(value, '\'')) != NULL;
	     value = quote + 1) {
		put(b, value, (size_t)(quote - value));
		LIT(b, "'\\''");
	}
	put_text(b, value);
	LIT(b, "'\n");
}

static void
render_env(struct td_buf *b, const struct api_cred *c)
{
	const struct rec_cred *doc = c->doc;

	env_line(b, "APPID", c->appid);
	if (doc->has_database) {
		LIT(b, "DB_URI='");
		mongo_uri(b, c->site, doc);
		LIT(b, "'\n");
	}
	if (doc->has_object) {
		env_line(b, "OSS_ACCESS_KEY", doc->access_key);
		env_line(b, "OSS_ACCESS_SECRET", doc->secret_key);
		env_line(b, "OSS_INTERNAL_ENDPOINT", c->site->internal_endpoint);
		env_line(b, "OSS_EXTERNAL_ENDPOINT", c->site->external_endpoint);
		env_line(b, "OSS_REGION", c->site->s3_region);
	}
}

/* SDKs parse whole seconds: "2026-01-02T03:04:05Z". */
static void
expiration(struct td_buf *b, int64_t ms)
{
	char text[TD_TIME_TEXT];

	td_time_text(ms, text);
	put(b, text, 19);
	LIT(b, "Z");
}

static void
render_aws(struct td_buf *b, const struct api_cred *c)
{
	MEMBER(b, "{\"AccessKeyId\":", c->doc->access_key);
	MEMBER(b, ",\"SecretAccessKey\":", c->doc->secret_key);
	LIT(b, ",\"Token\":\"\",\"Expiration\":\"");
	expiration(b, c->expires_ms);
	LIT(b, "\"}\n");
}

static void
render_process(struct td_buf *b, const struct api_cred *c)
{
	MEMBER(b, "{\"Version\":1,\"AccessKeyId\":", c->doc->access_key);
	MEMBER(b, ",\"SecretAccessKey\":", c->doc->secret_key);
	LIT(b, ",\"Expiration\":\"");
	expiration(b, c->expires_ms);
	LIT(b, "\"}\n");
}

enum td_rc
api_render_cred(struct td_buf *b, enum api_format format, const struct api_cred *cred)
{
	if ((format == API_FORMAT_AWS || format == API_FORMAT_PROCESS) &&
	    !cred->doc->has_object)
		return TD_NOT_FOUND;
	switch (format) {
	case API_FORMAT_ENV:
		render_env(b, cred);
		break;
	case API_FORMAT_AWS:
		render_aws(b, cred);
		break;
	case API_FORMAT_PROCESS:
		render_process(b, cred);
		break;
	case API_FORMAT_JSON:
	case API_FORMAT_COUNT:
		render_json(b, cred);
		break;
	}
	return td_buf_rc(b);
}
