/*
 * Sealed admin payloads against answers of MinIO's own library, round trips over every
 * border of a fragment, and what a man in the middle could do to a message.
 */
#include "check.h"

#include "minio/sealed.h"

#include <stdlib.h>
#include <string.h>

#define PASSWORD "minioadmin"

static struct td_secret *password;
static struct td_secret *other;

static struct sealed_params
params(enum sealed_alg alg)
{
	struct sealed_params p = { .alg = alg };

	for (size_t i = 0; i < sizeof(p.salt); i++)
		p.salt[i] = (unsigned char)i;
	for (size_t i = 0; i < sizeof(p.prefix); i++)
		p.prefix[i] = (unsigned char)(0xa0 + i);
	return p;
}

static void
expect_hex(const char *says, const void *data, size_t len, const char *hex)
{
	struct td_buf text;

	td_buf_init(&text, 4096);
	td_buf_hex(&text, data, len);
	CHECK(says, strcmp(td_buf_cstr(&text), hex) == 0);
	td_buf_done(&text);
}

static void
known_answers(void **state)
{
	static const char plain[] =
		"{\"secretKey\":\"s3cr3tK3y\",\"status\":\"enabled\"}";
	static const struct {
		const char *says;
		enum sealed_alg alg;
		const char *hex;
	} rows[] = {
		{ "Argon2id and AES", SEALED_ARGON2_AES,
		  "1395e886b639e978df4861394f648fad4441f03e3b6d73c60b7979ae5c27e0c34095a5"
		  "d338d7"
		  "51a288208ff1c66e4117333ca60f9b9cb95109629d88" },
		{ "Argon2id and ChaCha20", SEALED_ARGON2_CHACHA,
		  "19520afa7e34f0aa18db3b2ca55dbf7097b07c368ff613d972569dbaced89de1fdad1a"
		  "081ae9"
		  "9db10e657b85ffa61febef2915ebfe54789d9b56796f" },
		{ "PBKDF2 and AES", SEALED_PBKDF2_AES,
		  "4a723102714fbccc1a169c37bc1267859cd39dac8f9ca154017ccd61bb7df766df162b"
		  "a65e20"
		  "02dd9a42709341b751aa55325d5019c83b051be57415" },
	};

	(void)state;
	for (EACH(row, rows)) {
		struct sealed_params p = params(row->alg);
		struct td_buf out, back;

		td_buf_init(&out, 4096);
		td_buf_init_secret(&back, 4096);
		CHECK(row->says,
		      sealed_write_with(&p, password,
					(struct td_bytes){ plain, sizeof(plain) - 1 },
					&out, NULL) == TD_OK);
		expect_hex(row->says, out.data + SEALED_HEADER_LEN,
			   out.len - SEALED_HEADER_LEN, row->hex);
		CHECK(row->says,
		      sealed_read(password, (struct td_bytes){ out.data, out.len }, &back,
				  NULL) == TD_OK);
		CHECK(row->says, strcmp(td_buf_cstr(&back), plain) == 0);
		td_buf_done(&out);
		td_buf_done(&back);
	}
}

static void
two_fragments(void **state)
{
	static const struct {
		const char *says;
		enum sealed_alg alg;
		const char *sha256;
	} rows[] = {
		{ "Argon2id and AES", SEALED_ARGON2_AES,
		  "5780743febe8aec6482ece51ccedbbb2cce87e01a86e7caa9fdde792ae4c1ca9" },
		{ "Argon2id and ChaCha20", SEALED_ARGON2_CHACHA,
		  "20231657b815df0b4284a34d5a8d1c2b20e3e7aed1c614a3a2b6c3bc15fa09ce" },
		{ "PBKDF2 and AES", SEALED_PBKDF2_AES,
		  "6537a9dc5371f96ec84400fb2d534022a5605828d1ad53488b6f6bcdbe76fece" },
	};
	static const unsigned char zeros[16385];

	(void)state;
	for (EACH(row, rows)) {
		struct sealed_params p = params(row->alg);
		unsigned char sum[TD_SHA256_LEN];
		struct td_buf out;

		td_buf_init(&out, 65536);
		CHECK(row->says,
		      sealed_write_with(&p, password,
					(struct td_bytes){ zeros, sizeof(zeros) }, &out,
					NULL) == TD_OK);
		td_sha256(out.data, out.len, sum);
		expect_hex(row->says, sum, sizeof(sum), row->sha256);
		td_buf_done(&out);
	}
}

static void
empty_plaintext(void **state)
{
	struct sealed_params p = params(SEALED_PBKDF2_AES);
	struct td_buf out;

	(void)state;
	td_buf_init(&out, 4096);
	assert_int_equal(
		sealed_write_with(&p, password, (struct td_bytes){ "", 0 }, &out, NULL),
		TD_OK);
	expect_hex("one fragment of a tag alone", out.data + SEALED_HEADER_LEN,
		   out.len - SEALED_HEADER_LEN, "e7cd1ec5c4a1d398e503aa0de4e81fc4");
	td_buf_done(&out);
}

static void
round_trips(void **state)
{
	static const size_t lengths[] = { 0,	 1,	100,   16383, 16384,
					  16385, 32767, 32768, 32769, 262000 };
	unsigned char *plain = malloc(262000);

	(void)state;
	assert_non_null(plain);
	for (size_t i = 0; i < 262000; i++)
		plain[i] = (unsigned char)(i * 7);
	for (EACH(len, lengths)) {
		size_t fragments =
			*len == 0 ? 1 : (*len + SEALED_FRAGMENT - 1) / SEALED_FRAGMENT;
		struct td_buf out, back;

		td_buf_init(&out, 1 << 20);
		td_buf_init_secret(&back, 1 << 20);
		assert_int_equal(sealed_write(td_env_system(), password,
					      (struct td_bytes){ plain, *len }, &out,
					      NULL),
				 TD_OK);
		assert_int_equal(out.len, SEALED_HEADER_LEN + *len + 16 * fragments);
		assert_int_equal(sealed_read(password,
					     (struct td_bytes){ out.data, out.len },
					     &back, NULL),
				 TD_OK);
		assert_int_equal(back.len, *len);
		assert_true(*len == 0 || memcmp(back.data, plain, *len) == 0);
		td_buf_done(&out);
		td_buf_done(&back);
	}
	free(plain);
}

/* Three fragments; what comes back must be refused, and give nothing. */
static void
tampering(void **state)
{
	enum { FRAGMENT = SEALED_FRAGMENT + 16, LEN = 2 * SEALED_FRAGMENT + 10 };
	static unsigned char plain[LEN];
	const struct {
		const char *says;
		size_t keep; /* bytes kept */
		size_t flip; /* this byte changed; 0: none */
		bool swap;   /* the first two fragments */
		bool wrong_key;
		enum td_rc rc;
	} rows[] = {
		{ "cut at the end of a fragment", SEALED_HEADER_LEN + FRAGMENT, 0, false,
		  false, TD_CRYPTO },
		{ "cut inside a fragment", SEALED_HEADER_LEN + FRAGMENT + 100, 0, false,
		  false, TD_CRYPTO },
		{ "cut inside a tag", SEALED_HEADER_LEN + FRAGMENT + 9, 0, false, false,
		  TD_CRYPTO },
		{ "shorter than anything", SEALED_MIN - 1, 0, false, false, TD_INVALID },
		{ "a changed byte", 0, SEALED_HEADER_LEN + 5, false, false, TD_CRYPTO },
		{ "a changed byte of the last tag", 0,
		  SEALED_HEADER_LEN + 2 * FRAGMENT + 25, false, false, TD_CRYPTO },
		{ "a changed salt", 0, 1, false, false, TD_CRYPTO },
		{ "a changed nonce", 0, 35, false, false, TD_CRYPTO },
		{ "fragments in another order", 0, 0, true, false, TD_CRYPTO },
		{ "another password", 0, 0, false, true, TD_CRYPTO },
	};

	(void)state;
	for (EACH(row, rows)) {
		struct td_buf out, back;
		unsigned char *copy;
		size_t len;

		td_buf_init(&out, 1 << 17);
		td_buf_init_secret(&back, 1 << 17);
		assert_int_equal(sealed_write(td_env_system(), password,
					      (struct td_bytes){ plain, LEN }, &out,
					      NULL),
				 TD_OK);
		len = row->keep ? row->keep : out.len;
		if (row->flip)
			out.data[row->flip] ^= 1;
		if (row->swap) {
			copy = malloc(FRAGMENT);
			assert_non_null(copy);
			memcpy(copy, out.data + SEALED_HEADER_LEN, FRAGMENT);
			memmove(out.data + SEALED_HEADER_LEN,
				out.data + SEALED_HEADER_LEN + FRAGMENT, FRAGMENT);
			memcpy(out.data + SEALED_HEADER_LEN + FRAGMENT, copy, FRAGMENT);
			free(copy);
		}
		td_buf_str(&back, "before");
		CHECK(row->says, sealed_read(row->wrong_key ? other : password,
					     (struct td_bytes){ out.data, len }, &back,
					     NULL) == row->rc);
		CHECK(row->says, strcmp(td_buf_cstr(&back), "before") == 0);
		td_buf_done(&out);
		td_buf_done(&back);
	}
}

static void
unknown_algorithm(void **state)
{
	unsigned char data[SEALED_MIN] = { 0 };
	struct td_buf back;

	(void)state;
	td_buf_init_secret(&back, 100);
	data[SEALED_SALT_LEN] = 3;
	assert_int_equal(sealed_read(password, (struct td_bytes){ data, sizeof(data) },
				     &back, NULL),
			 TD_INVALID);
	assert_int_equal(back.len, 0);
	td_buf_done(&back);
}

static void
no_salt_twice(void **state)
{
	struct td_buf a, b;

	(void)state;
	td_buf_init(&a, 4096);
	td_buf_init(&b, 4096);
	assert_int_equal(sealed_write(td_env_system(), password,
				      (struct td_bytes){ "x", 1 }, &a, NULL),
			 TD_OK);
	assert_int_equal(sealed_write(td_env_system(), password,
				      (struct td_bytes){ "x", 1 }, &b, NULL),
			 TD_OK);
	assert_memory_not_equal(a.data, b.data, SEALED_SALT_LEN);
	assert_memory_not_equal(a.data + 33, b.data + 33, SEALED_PREFIX_LEN);
	td_buf_done(&a);
	td_buf_done(&b);
}

static int
setup(void **state)
{
	(void)state;
	password = td_secret_new(PASSWORD, strlen(PASSWORD));
	other = td_secret_new("minioadmim", 10);
	return password && other ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	td_secret_free(password);
	td_secret_free(other);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answers),   cmocka_unit_test(two_fragments),
		cmocka_unit_test(empty_plaintext), cmocka_unit_test(round_trips),
		cmocka_unit_test(tampering),	   cmocka_unit_test(unknown_algorithm),
		cmocka_unit_test(no_salt_twice),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
