/*
 * Algorithms are fetched once per process and contexts made once per thread: in OpenSSL 3
 * fetching costs more than hashing a short text, and setting up a cipher for a key as much as
 * using it. So the schedules of a thread's last two keys stay (one of them is the master key,
 * the other a tenant's), as keys themselves stay in memory. A thread's contexts go with it,
 * wiped, through the destructor of a thread key.
 *
 * What can only fail when libcrypto is broken or memory for a context is gone aborts:
 * going on with a hash that was not computed would be worse.
 */
#include "crypto.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SHA256_BLOCK 64

/* A cipher that is set up for a key. */
struct keyed {
	EVP_CIPHER_CTX *ctx;
	bool set;
	unsigned char key[TD_AEAD_KEY_LEN];
};
struct cipher {
	struct keyed keyed[2];
	unsigned last; /* of the two */
};

struct contexts {
	EVP_MD_CTX *md;
	struct cipher ciphers[2]; /* by enum td_aead */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static EVP_MD *sha256;
static EVP_CIPHER *ciphers[2];
static _Thread_local struct contexts *mine;

static void
contexts_free(void *p)
{
	struct contexts *c = p;

	EVP_MD_CTX_free(c->md);
	for (int i = 0; i < 4; i++)
		EVP_CIPHER_CTX_free(c->ciphers[i / 2].keyed[i % 2].ctx);
	explicit_bzero(c, sizeof(*c));
	free(c);
}

static void
fetch_all(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	ciphers[TD_AES_256_GCM] = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	ciphers[TD_CHACHA20_POLY1305] = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
	if (sha256 == NULL || ciphers[0] == NULL || ciphers[1] == NULL ||
	    pthread_key_create(&key, contexts_free) != 0)
		abort();
}

static struct contexts *
contexts(void)
{
	if (mine != NULL)
		return mine;
	pthread_once(&once, fetch_all);
	struct contexts *c = calloc(1, sizeof(*c));
	if (c == NULL)
		abort();
	c->md = EVP_MD_CTX_new();
	for (int i = 0; i < 4; i++) {
		struct keyed *k = &c->ciphers[i / 2].keyed[i % 2];

		k->ctx = EVP_CIPHER_CTX_new();
		if (k->ctx == NULL ||
		    EVP_CipherInit_ex2(k->ctx, ciphers[i / 2], NULL, NULL, 0, NULL) != 1)
			abort();
	}
	if (c->md == NULL || pthread_setspecific(key, c) != 0)
		abort();
	mine = c;
	return c;
}

/* The context that is set up for the key, or the one that was used longer ago; then *key stays
 * and is to be set. NULL as *key: it is set. */
static struct keyed *
keyed_for(enum td_aead alg, const unsigned char **aead_key)
{
	struct cipher *c = &contexts()->ciphers[alg];
	struct keyed *k = &c->keyed[c->last];

	if (!k->set || memcmp(k->key, *aead_key, sizeof(k->key)) != 0) {
		c->last ^= 1;
		k = &c->keyed[c->last];
	}
	if (k->set && memcmp(k->key, *aead_key, sizeof(k->key)) == 0) {
		*aead_key = NULL;
	} else {
		k->set = true;
		memcpy(k->key, *aead_key, sizeof(k->key));
	}
	return k;
}

/* After a failure nothing is known of what is set up. */
static enum td_rc
ended(struct keyed *k, bool ok)
{
	k->set = k->set && ok;
	return ok ? TD_OK : TD_CRYPTO;
}

static void
sha256_two(struct td_bytes a, struct td_bytes b, unsigned char *out)
{
	EVP_MD_CTX *ctx = contexts()->md;

	if (EVP_DigestInit_ex2(ctx, sha256, NULL) != 1 ||
	    EVP_DigestUpdate(ctx, a.data, a.len) != 1 ||
	    EVP_DigestUpdate(ctx, b.data, b.len) != 1 ||
	    EVP_DigestFinal_ex(ctx, out, NULL) != 1)
		abort();
}

void
td_sha256(const void *data, size_t len, unsigned char out[TD_SHA256_LEN])
{
	sha256_two((struct td_bytes){ data, len }, (struct td_bytes){ "", 0 }, out);
}

void
td_hmac_sha256(const void *hmac_key, size_t key_len, const void *data, size_t len,
	       unsigned char out[TD_SHA256_LEN])
{
	unsigned char block[SHA256_BLOCK] = { 0 }, inner[TD_SHA256_LEN];

	if (key_len > SHA256_BLOCK)
		td_sha256(hmac_key, key_len, block);
	else if (key_len > 0)
		memcpy(block, hmac_key, key_len);
	for (size_t i = 0; i < SHA256_BLOCK; i++)
		block[i] ^= 0x36;
	sha256_two((struct td_bytes){ block, SHA256_BLOCK },
		   (struct td_bytes){ data, len }, inner);
	for (size_t i = 0; i < SHA256_BLOCK; i++)
		block[i] ^= 0x36 ^ 0x5c;
	sha256_two((struct td_bytes){ block, SHA256_BLOCK },
		   (struct td_bytes){ inner, sizeof(inner) }, out);
	explicit_bzero(block, sizeof(block));
	explicit_bzero(inner, sizeof(inner));
}

/* The parameters are those of RFC 8018, and one more. */
enum td_rc
/* NOLINTNEXTLINE(readability-function-size) */
td_pbkdf2_sha256(const void *pw, size_t pw_len, const void *salt, size_t salt_len,
		 unsigned iterations, unsigned char out[32], struct td_err *reterr)
{
	if (pw_len > INT_MAX || salt_len > INT_MAX || iterations < 1 ||
	    iterations > INT_MAX)
		return td_err_set(reterr, TD_INVALID, "pbkdf2: parameter out of range");
	contexts();
	if (PKCS5_PBKDF2_HMAC(pw, (int)pw_len, salt, (int)salt_len, (int)iterations,
			      sha256, 32, out) != 1)
		return td_err_set(reterr, TD_CRYPTO, "pbkdf2 failed");
	return TD_OK;
}

static bool
seal(EVP_CIPHER_CTX *ctx, struct td_bytes aad, struct td_bytes in, unsigned char *out)
{
	int n;

	if (aad.len > 0 && EVP_EncryptUpdate(ctx, NULL, &n, aad.data, (int)aad.len) != 1)
		return false;
	if (in.len > 0 && EVP_EncryptUpdate(ctx, out, &n, in.data, (int)in.len) != 1)
		return false;
	return EVP_EncryptFinal_ex(ctx, out + in.len, &n) == 1 &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TD_AEAD_TAG_LEN,
				   out + in.len) == 1;
}

enum td_rc
td_aead_seal(enum td_aead alg, const unsigned char aead_key[TD_AEAD_KEY_LEN],
	     const unsigned char nonce[TD_AEAD_NONCE_LEN], struct td_bytes aad,
	     struct td_bytes in, unsigned char *out)
{
	struct keyed *k;

	if (aad.len > INT_MAX || in.len > INT_MAX - TD_AEAD_TAG_LEN)
		return TD_TOO_LARGE;
	k = keyed_for(alg, &aead_key);
	return ended(k, EVP_EncryptInit_ex2(k->ctx, NULL, aead_key, nonce, NULL) == 1 &&
				seal(k->ctx, aad, in, out));
}

static bool
unseal(EVP_CIPHER_CTX *ctx, struct td_bytes aad, struct td_bytes in, unsigned char *out)
{
	size_t text = in.len - TD_AEAD_TAG_LEN;
	unsigned char tag[TD_AEAD_TAG_LEN], end[TD_AEAD_TAG_LEN];
	int n;

	memcpy(tag, (const unsigned char *)in.data + text, sizeof(tag));
	if (aad.len > 0 && EVP_DecryptUpdate(ctx, NULL, &n, aad.data, (int)aad.len) != 1)
		return false;
	if (text > 0 && EVP_DecryptUpdate(ctx, out, &n, in.data, (int)text) != 1)
		return false;
	return EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) == 1 &&
	       EVP_DecryptFinal_ex(ctx, end, &n) == 1;
}

enum td_rc
td_aead_open(enum td_aead alg, const unsigned char aead_key[TD_AEAD_KEY_LEN],
	     const unsigned char nonce[TD_AEAD_NONCE_LEN], struct td_bytes aad,
	     struct td_bytes in, unsigned char *out)
{
	struct keyed *k;
	enum td_rc rc;

	if (in.len < TD_AEAD_TAG_LEN)
		return TD_CRYPTO;
	if (aad.len > INT_MAX || in.len > INT_MAX)
		return TD_TOO_LARGE;
	k = keyed_for(alg, &aead_key);
	rc = ended(k, EVP_DecryptInit_ex2(k->ctx, NULL, aead_key, nonce, NULL) == 1 &&
			      unseal(k->ctx, aad, in, out));
	if (rc != TD_OK)
		explicit_bzero(out, in.len - TD_AEAD_TAG_LEN);
	return rc;
}

bool
td_equal_ct(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

void
td_b64url(const void *data, size_t len, char *out)
{
	static const char set[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const unsigned char *p = data;
	uint32_t acc = 0;
	unsigned bits = 0;

	for (size_t i = 0; i < len; i++) {
		acc = acc << 8 | p[i];
		for (bits += 8; bits >= 6; bits -= 6)
			*out++ = set[acc >> (bits - 6) & 63];
	}
	if (bits > 0)
		*out++ = set[acc << (6 - bits) & 63];
	*out = '\0';
}

static int
b64url_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool
td_b64url_decode(const char *text, size_t text_len, void *out, size_t out_len)
{
	unsigned char *p = out;
	uint32_t acc = 0;
	unsigned bits = 0;

	if (out_len > SIZE_MAX / 4 - 1 || text_len != TD_B64URL_LEN(out_len))
		return false;
	for (size_t i = 0; i < text_len; i++) {
		int v = b64url_value(text[i]);

		if (v < 0)
			return false;
		acc = acc << 6 | (uint32_t)v;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			*p++ = (unsigned char)(acc >> bits);
		}
	}
	/* The unused bits of the last character are 0: one text per value. */
	return (acc & ((1u << bits) - 1)) == 0;
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

bool
td_hex_decode(const char *text, size_t text_len, void *out, size_t out_len)
{
	unsigned char *p = out;

	if (out_len > SIZE_MAX / 2 || text_len != out_len * 2)
		return false;
	for (size_t i = 0; i < out_len; i++) {
		int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		p[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}
