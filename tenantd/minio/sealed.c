/*
 * One key per message, one nonce per fragment (prefix, then a little-endian counter). The
 * counter 0 is spent on a tag over nothing; that tag goes into the associated data of
 * every fragment together with a flag that marks the last, so fragments of two messages
 * cannot be mixed, reordered or cut off unseen.
 */
#include "minio/sealed.h"

#include <argon2.h>
#include <pthread.h>
#include <string.h>

#define ARGON2_PASSES 1
#define ARGON2_MEMORY_KIB 65536
#define ARGON2_LANES 4
#define PBKDF2_ITERATIONS 8192

#define FLAG_LAST 0x80
#define AAD_LEN (1 + TD_AEAD_TAG_LEN)
#define FRAGMENT_MAX (SEALED_FRAGMENT + TD_AEAD_TAG_LEN)

struct sealer {
	enum td_aead aead;
	unsigned char key[TD_AEAD_KEY_LEN];
	unsigned char nonce[TD_AEAD_NONCE_LEN];
	unsigned char aad[AAD_LEN];
	uint32_t sequence;
};

static pthread_mutex_t argon2_lock = PTHREAD_MUTEX_INITIALIZER;

static enum td_rc
derive_argon2(const struct sealed_params *params, const struct td_secret *password,
	      unsigned char out[TD_AEAD_KEY_LEN], struct td_err *reterr)
{
	int rc;

	pthread_mutex_lock(&argon2_lock);
	rc = argon2id_hash_raw(ARGON2_PASSES, ARGON2_MEMORY_KIB, ARGON2_LANES,
			       td_secret_bytes(password), td_secret_len(password),
			       params->salt, SEALED_SALT_LEN, out, TD_AEAD_KEY_LEN);
	pthread_mutex_unlock(&argon2_lock);
	if (rc == ARGON2_MEMORY_ALLOCATION_ERROR)
		return td_err_set(reterr, TD_NOMEM, "no memory for argon2");
	if (rc != ARGON2_OK)
		return td_err_set(reterr, TD_CRYPTO, "argon2: %s",
				  argon2_error_message(rc));
	return TD_OK;
}

static void
nonce_next(struct sealer *s)
{
	for (size_t i = 0; i < 4; i++)
		s->nonce[SEALED_PREFIX_LEN + i] = (unsigned char)(s->sequence >> (8 * i));
	s->sequence++;
}

static enum td_rc
sealer_init(struct sealer *s, const struct sealed_params *params,
	    const struct td_secret *password, struct td_err *reterr)
{
	enum td_rc rc;

	memset(s, 0, sizeof(*s));
	s->aead = params->alg == SEALED_ARGON2_CHACHA ? TD_CHACHA20_POLY1305
						      : TD_AES_256_GCM;
	memcpy(s->nonce, params->prefix, SEALED_PREFIX_LEN);
	if (params->alg == SEALED_PBKDF2_AES)
		rc = td_pbkdf2_sha256(td_secret_bytes(password), td_secret_len(password),
				      params->salt, SEALED_SALT_LEN, PBKDF2_ITERATIONS,
				      s->key, reterr);
	else
		rc = derive_argon2(params, password, s->key, reterr);
	if (rc != TD_OK)
		return rc;
	nonce_next(s);
	rc = td_aead_seal(s->aead, s->key, s->nonce, (struct td_bytes){ "", 0 },
			  (struct td_bytes){ "", 0 }, s->aad + 1);
	if (rc != TD_OK)
		return td_err_set(reterr, rc, "cannot seal");
	return TD_OK;
}

static void
fragment_begin(struct sealer *s, size_t left_after)
{
	s->aad[0] = left_after == 0 ? FLAG_LAST : 0;
	nonce_next(s);
}

enum td_rc
sealed_write_with(const struct sealed_params *params, const struct td_secret *password,
		  struct td_bytes plain, struct td_buf *out, struct td_err *reterr)
{
	unsigned char sealed[FRAGMENT_MAX];
	const unsigned char *p = plain.data;
	size_t left = plain.len;
	struct sealer s;
	enum td_rc rc;

	rc = sealer_init(&s, params, password, reterr);
	if (rc != TD_OK)
		goto done;
	td_buf_add(out, params->salt, SEALED_SALT_LEN);
	td_buf_u8(out, (uint8_t)params->alg);
	td_buf_add(out, params->prefix, SEALED_PREFIX_LEN);
	do {
		size_t n = left < SEALED_FRAGMENT ? left : SEALED_FRAGMENT;

		left -= n;
		fragment_begin(&s, left);
		rc = td_aead_seal(s.aead, s.key, s.nonce,
				  (struct td_bytes){ s.aad, AAD_LEN },
				  (struct td_bytes){ p, n }, sealed);
		if (rc != TD_OK) {
			td_err_set(reterr, rc, "cannot seal");
			goto done;
		}
		td_buf_add(out, sealed, n + TD_AEAD_TAG_LEN);
		p += n;
	} while (left > 0);
	rc = td_buf_rc(out);
	if (rc != TD_OK)
		td_err_set(reterr, rc, "a sealed message does not fit");
done:
	explicit_bzero(&s, sizeof(s));
	return rc;
}

enum td_rc
sealed_write(const struct td_env *env, const struct td_secret *password,
	     struct td_bytes plain, struct td_buf *out, struct td_err *reterr)
{
	struct sealed_params params = { .alg = SEALED_PBKDF2_AES };

	td_random(env, params.salt, sizeof(params.salt));
	td_random(env, params.prefix, sizeof(params.prefix));
	return sealed_write_with(&params, password, plain, out, reterr);
}

static enum td_rc
header_read(struct td_bytes sealed, struct sealed_params *params, struct td_err *reterr)
{
	const unsigned char *p = sealed.data;

	if (sealed.len < SEALED_MIN)
		return td_err_set(reterr, TD_INVALID,
				  "sealed message of %zu bytes is too short", sealed.len);
	memcpy(params->salt, p, SEALED_SALT_LEN);
	memcpy(params->prefix, p + SEALED_SALT_LEN + 1, SEALED_PREFIX_LEN);
	switch (p[SEALED_SALT_LEN]) {
	case SEALED_ARGON2_AES:
		params->alg = SEALED_ARGON2_AES;
		return TD_OK;
	case SEALED_ARGON2_CHACHA:
		params->alg = SEALED_ARGON2_CHACHA;
		return TD_OK;
	case SEALED_PBKDF2_AES:
		params->alg = SEALED_PBKDF2_AES;
		return TD_OK;
	default:
		return td_err_set(reterr, TD_INVALID,
				  "sealed message: unknown algorithm %u",
				  p[SEALED_SALT_LEN]);
	}
}

/* All fragments, into `plain`, which nobody sees before the last is good. */
static enum td_rc
fragments_open(struct sealer *s, struct td_bytes in, struct td_buf *plain,
	       struct td_err *reterr)
{
	unsigned char open[SEALED_FRAGMENT];
	const unsigned char *p = in.data;
	size_t left = in.len;
	enum td_rc rc = TD_OK;

	while (rc == TD_OK && left > 0) {
		size_t n = left < FRAGMENT_MAX ? left : FRAGMENT_MAX;

		if (n < TD_AEAD_TAG_LEN) {
			rc = td_err_set(reterr, TD_CRYPTO,
					"sealed message ends inside a fragment");
			break;
		}
		left -= n;
		fragment_begin(s, left);
		rc = td_aead_open(s->aead, s->key, s->nonce,
				  (struct td_bytes){ s->aad, AAD_LEN },
				  (struct td_bytes){ p, n }, open);
		if (rc != TD_OK) {
			td_err_set(reterr, rc, "sealed message does not authenticate");
			break;
		}
		td_buf_add(plain, open, n - TD_AEAD_TAG_LEN);
		p += n;
	}
	explicit_bzero(open, sizeof(open));
	return rc;
}

enum td_rc
sealed_read(const struct td_secret *password, struct td_bytes sealed, struct td_buf *out,
	    struct td_err *reterr)
{
	struct sealed_params params;
	struct td_buf plain;
	struct sealer s;
	enum td_rc rc;

	rc = header_read(sealed, &params, reterr);
	if (rc != TD_OK)
		return rc;
	td_buf_init_secret(&plain, sealed.len);
	rc = sealer_init(&s, &params, password, reterr);
	if (rc == TD_OK) {
		struct td_bytes rest = {
			(const unsigned char *)sealed.data + SEALED_HEADER_LEN,
			sealed.len - SEALED_HEADER_LEN,
		};

		rc = fragments_open(&s, rest, &plain, reterr);
	}
	if (rc == TD_OK && td_buf_rc(&plain) != TD_OK)
		rc = td_err_set(reterr, td_buf_rc(&plain), "no memory for a reply");
	if (rc == TD_OK) {
		td_buf_add(out, plain.data, plain.len);
		rc = td_buf_rc(out);
		if (rc != TD_OK)
			td_err_set(reterr, rc, "a sealed reply does not fit");
	}
	td_buf_done(&plain);
	explicit_bzero(&s, sizeof(s));
	return rc;
}
