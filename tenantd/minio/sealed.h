/*
 * The encrypted bodies of MinIO's admin calls (the sio-go format): a header with salt,
 * algorithm and nonce, then fragments of at most 16 KiB that authenticate their order and
 * their end. The password is the secret key of the credential that signs the call.
 *
 *	offset 0   32 bytes  salt
 *	       32   1 byte   algorithm
 *	       33   8 bytes  nonce prefix
 *	       41   fragments: ciphertext (at most 16,384 bytes), tag (16 bytes)
 *
 * Thread rule: any thread. Argon2 takes 64 MiB and 100 ms, so one runs at a time.
 */
#pragma once

#include "base/buf.h"
#include "base/crypto.h"
#include "base/env.h"
#include "base/secret.h"

enum sealed_alg {
	SEALED_ARGON2_AES = 0,
	SEALED_ARGON2_CHACHA = 1,
	SEALED_PBKDF2_AES = 2 /* what tenantd writes: cheap for both sides */
};

#define SEALED_SALT_LEN 32
#define SEALED_PREFIX_LEN 8
#define SEALED_HEADER_LEN (SEALED_SALT_LEN + 1 + SEALED_PREFIX_LEN)
#define SEALED_FRAGMENT 16384
#define SEALED_MIN (SEALED_HEADER_LEN + TD_AEAD_TAG_LEN)

/* Append a sealed message (SEALED_PBKDF2_AES, fresh salt and nonce) to out. TD_CRYPTO,
 * TD_NOMEM, or out's ceiling. */
enum td_rc sealed_write(const struct td_env *env, const struct td_secret *password,
			struct td_bytes plain, struct td_buf *out,
			struct td_err *reterr) TD_MUST_CHECK;

/* The same with everything chosen by the caller; for known answers. */
struct sealed_params {
	enum sealed_alg alg;
	unsigned char salt[SEALED_SALT_LEN];
	unsigned char prefix[SEALED_PREFIX_LEN];
};
enum td_rc sealed_write_with(const struct sealed_params *params,
			     const struct td_secret *password, struct td_bytes plain,
			     struct td_buf *out, struct td_err *reterr) TD_MUST_CHECK;

/*
 * Append the plaintext to out (one made with td_buf_init_secret). TD_INVALID: not a sealed
 * message; TD_CRYPTO: wrong password, or damaged, cut off or reordered; then nothing was
 * appended. TD_NOMEM, or out's ceiling.
 */
enum td_rc sealed_read(const struct td_secret *password, struct td_bytes sealed,
		       struct td_buf *out, struct td_err *reterr) TD_MUST_CHECK;
