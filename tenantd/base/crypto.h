/*
 * The few cryptographic primitives that tenantd uses, over OpenSSL 3, fetched once.
 * The only room that sees OpenSSL.
 *
 * Thread rule: any thread; contexts are per thread and reused (an EVP fetch costs more
 * than the hash it is for).
 */
#pragma once

#include "secret.h"

#include <stdint.h>

#define TD_SHA256_LEN 32
#define TD_AEAD_KEY_LEN 32
#define TD_AEAD_NONCE_LEN 12
#define TD_AEAD_TAG_LEN 16

/* FIPS 180-4. Cannot fail short of a broken libcrypto, which aborts. */
void td_sha256(const void *data, size_t len, unsigned char out[TD_SHA256_LEN]);
/* RFC 2104 with SHA-256. */
void td_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
		    unsigned char out[TD_SHA256_LEN]);
/* PBKDF2-HMAC-SHA256, RFC 8018 5.2. */
enum td_rc td_pbkdf2_sha256(const void *pw, size_t pw_len, const void *salt,
			    size_t salt_len, unsigned iterations, unsigned char out[32],
			    struct td_err *reterr) TD_MUST_CHECK;

enum td_aead { TD_AES_256_GCM, TD_CHACHA20_POLY1305 };
struct td_bytes {
	const void *data;
	size_t len;
};
/* out gets in.len bytes of ciphertext, then the 16 byte tag. A nonce must never be used
 * twice with one key. */
enum td_rc td_aead_seal(enum td_aead alg, const unsigned char key[TD_AEAD_KEY_LEN],
			const unsigned char nonce[TD_AEAD_NONCE_LEN], struct td_bytes aad,
			struct td_bytes in, unsigned char *out) TD_MUST_CHECK;
/* in = ciphertext and tag; out gets in.len - 16 bytes. TD_CRYPTO when it does not
 * authenticate; then out holds nothing of the plaintext. */
enum td_rc td_aead_open(enum td_aead alg, const unsigned char key[TD_AEAD_KEY_LEN],
			const unsigned char nonce[TD_AEAD_NONCE_LEN], struct td_bytes aad,
			struct td_bytes in, unsigned char *out) TD_MUST_CHECK;

/* Constant time comparison. */
bool td_equal_ct(const void *a, const void *b, size_t len);

/* base64url without padding, RFC 4648 5. out holds TD_B64URL_LEN(len) + 1 bytes. */
#define TD_B64URL_LEN(n) (((n)*4 + 2) / 3)
void td_b64url(const void *data, size_t len, char *out);
/* Strict: no padding, no white space, canonical last character. */
bool td_b64url_decode(const char *text, size_t text_len, void *out, size_t out_len);
/* Exactly 2 * out_len hex digits. */
bool td_hex_decode(const char *text, size_t text_len, void *out, size_t out_len);
