/* Known answers: base/crypto.h. Where each is from stands in its row. */
#include "base/buf.h"
#include "base/crypto.h"
#include "check.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static bool
is_hex(const void *data, size_t len, const char *hex)
{
	struct td_buf b;
	bool same;

	td_buf_init(&b, 4096);
	td_buf_hex(&b, data, len);
	same = strcmp(td_buf_cstr(&b), hex) == 0;
	td_buf_done(&b);
	return same;
}

static void
sha256_known_answers(void **state)
{
	static const struct row {
		const char *says, *in, *hash;
	} rows[] = {
		{ "nothing", "",
		  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "FIPS 180-4, one block", "abc",
		  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "FIPS 180-4, two blocks",
		  "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};

	(void)state;
	for (EACH(row, rows)) {
		unsigned char out[TD_SHA256_LEN];

		td_sha256(row->in, strlen(row->in), out);
		CHECK(row->says, is_hex(out, sizeof(out), row->hash));
	}
}

static void
hmac_known_answers(void **state)
{
	unsigned char key[131], out[TD_SHA256_LEN];

	(void)state;
	/* RFC 4231, cases 1, 2 and 6 (a key longer than a block). */
	memset(key, 0x0b, 20);
	td_hmac_sha256(key, 20, "Hi There", 8, out);
	assert_true(is_hex(
		out, 32,
		"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"));
	td_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, out);
	assert_true(is_hex(
		out, 32,
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
	memset(key, 0xaa, 131);
	td_hmac_sha256(key, 131, "Test Using Larger Than Block-Size Key - Hash Key First",
		       54, out);
	assert_true(is_hex(
		out, 32,
		"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"));
}

static void
pbkdf2_known_answers(void **state)
{
	unsigned char out[32];

	(void)state;
	/* RFC 7914, section 11, the first 32 bytes. */
	assert_int_equal(td_pbkdf2_sha256("passwd", 6, "salt", 4, 1, out, NULL), TD_OK);
	assert_true(is_hex(
		out, 32,
		"55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"));
	assert_int_equal(td_pbkdf2_sha256("Password", 8, "NaCl", 4, 80000, out, NULL),
			 TD_OK);
	assert_true(is_hex(
		out, 32,
		"4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"));
	assert_int_equal(td_pbkdf2_sha256("x", 1, "y", 1, 0, out, NULL), TD_INVALID);
}

struct aead_row {
	const char *says;
	enum td_aead alg;
	const char *key, *nonce, *aad, *in, *out;
};
static const struct aead_row aead_rows[] = {
	{ "GCM specification, case 13: nothing", TD_AES_256_GCM,
	  "0000000000000000000000000000000000000000000000000000000000000000",
	  "000000000000000000000000", "", "", "530f8afbc74536b9a963b4f1c4cb738b" },
	{ "GCM specification, case 14: one block", TD_AES_256_GCM,
	  "0000000000000000000000000000000000000000000000000000000000000000",
	  "000000000000000000000000", "", "00000000000000000000000000000000",
	  "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919" },
	{ "GCM specification, case 16: with associated data", TD_AES_256_GCM,
	  "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
	  "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
	  "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
	  "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
	  "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
	  "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
	  "76fc6ece0f4e1768cddf8853bb2d551b" },
	{ "RFC 8439, section 2.8.2", TD_CHACHA20_POLY1305,
	  "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
	  "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
	  "4c616469657320616e642047656e746c656d656e206f662074686520636c6173"
	  "73206f66202739393a204966204920636f756c64206f6666657220796f75206f"
	  "6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73"
	  "637265656e20776f756c642062652069742e",
	  "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
	  "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
	  "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
	  "3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691" },
};

struct aead_case {
	unsigned char key[32], nonce[12], aad[64], in[256], sealed[256], out[256];
	struct td_bytes aad_bytes, in_bytes, sealed_bytes;
};

static void
unhex(const char *hex, unsigned char *out, struct td_bytes *ret)
{
	size_t len = strlen(hex) / 2;

	assert_true(td_hex_decode(hex, strlen(hex), out, len));
	if (ret != NULL)
		*ret = (struct td_bytes){ out, len };
}

static void
make_case(const struct aead_row *row, struct aead_case *c)
{
	memset(c, 0, sizeof(*c));
	unhex(row->key, c->key, NULL);
	unhex(row->nonce, c->nonce, NULL);
	unhex(row->aad, c->aad, &c->aad_bytes);
	unhex(row->in, c->in, &c->in_bytes);
	unhex(row->out, c->sealed, &c->sealed_bytes);
}

static void
aead_known_answers_both_ways(void **state)
{
	(void)state;
	for (EACH(row, aead_rows)) {
		struct aead_case c;

		make_case(row, &c);
		CHECK(row->says, td_aead_seal(row->alg, c.key, c.nonce, c.aad_bytes,
					      c.in_bytes, c.out) == TD_OK);
		CHECK(row->says, is_hex(c.out, c.sealed_bytes.len, row->out));
		memset(c.out, 0xee, sizeof(c.out));
		CHECK(row->says, td_aead_open(row->alg, c.key, c.nonce, c.aad_bytes,
					      c.sealed_bytes, c.out) == TD_OK);
		CHECK(row->says, is_hex(c.out, c.in_bytes.len, row->in));
		CHECK(row->says, c.out[c.in_bytes.len] == 0xee);
	}
}

static void
any_changed_bit_is_refused_and_leaves_nothing(void **state)
{
	static const unsigned char zero[256];

	(void)state;
	for (EACH(row, aead_rows)) {
		struct aead_case c;
		size_t len;

		make_case(row, &c);
		len = c.sealed_bytes.len;
		for (size_t bit = 0; bit < len * 8; bit++) {
			c.sealed[bit / 8] ^= (unsigned char)(1u << bit % 8);
			memset(c.out, 0xee, sizeof(c.out));
			CHECK(row->says,
			      td_aead_open(row->alg, c.key, c.nonce, c.aad_bytes,
					   c.sealed_bytes, c.out) == TD_CRYPTO);
			CHECK(row->says, memcmp(c.out, zero, len - 16) == 0);
			c.sealed[bit / 8] ^= (unsigned char)(1u << bit % 8);
		}
		c.key[0] ^= 1;
		CHECK(row->says, td_aead_open(row->alg, c.key, c.nonce, c.aad_bytes,
					      c.sealed_bytes, c.out) == TD_CRYPTO);
		c.key[0] ^= 1;
		c.nonce[11] ^= 1;
		CHECK(row->says, td_aead_open(row->alg, c.key, c.nonce, c.aad_bytes,
					      c.sealed_bytes, c.out) == TD_CRYPTO);
		c.nonce[11] ^= 1;
		c.aad[0] ^= 1;
		c.aad_bytes.len += c.aad_bytes.len == 0;
		CHECK(row->says, td_aead_open(row->alg, c.key, c.nonce, c.aad_bytes,
					      c.sealed_bytes, c.out) == TD_CRYPTO);
	}
}

static void
what_is_shorter_than_a_tag_is_refused(void **state)
{
	struct aead_case c;

	(void)state;
	make_case(&aead_rows[0], &c);
	for (size_t len = 0; len < TD_AEAD_TAG_LEN; len++) {
		c.sealed_bytes.len = len;
		assert_int_equal(td_aead_open(TD_AES_256_GCM, c.key, c.nonce, c.aad_bytes,
					      c.sealed_bytes, c.out),
				 TD_CRYPTO);
	}
}

static void *
hash_a_lot(void *arg)
{
	unsigned char out[TD_SHA256_LEN];
	bool *ok = arg;

	*ok = true;
	for (int i = 0; i < 500; i++) {
		td_sha256("abc", 3, out);
		*ok &= is_hex(out, 4, "ba7816bf");
	}
	return NULL;
}

static void
threads_have_their_own_contexts(void **state)
{
	pthread_t thread[4];
	bool ok[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, hash_a_lot, &ok[i]), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(thread[i], NULL);
		assert_true(ok[i]);
	}
}

static void
base64url_both_ways(void **state)
{
	static const struct row {
		const char *in, *text;
	} rows[] = {
		/* RFC 4648, section 10, without padding. */
		{ "", "" },
		{ "f", "Zg" },
		{ "fo", "Zm8" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg" },
		{ "fooba", "Zm9vYmE" },
		{ "foobar", "Zm9vYmFy" },
		{ "\xfb\xff\xfe", "-__-" }, /* both letters that differ from base64 */
	};

	(void)state;
	for (EACH(row, rows)) {
		size_t len = strlen(row->in);
		char text[16], back[16];

		td_b64url(row->in, len, text);
		assert_string_equal(text, row->text);
		assert_int_equal(strlen(text), TD_B64URL_LEN(len));
		CHECK(row->text, td_b64url_decode(text, strlen(text), back, len));
		assert_memory_equal(back, row->in, len);
	}
}

static void
base64url_has_one_text_per_value(void **state)
{
	static const struct row {
		const char *says, *text;
		size_t out_len;
	} rows[] = {
		{ "padding", "Zg==", 1 },
		{ "unused bits that are not 0, of 4", "Zh", 1 },
		{ "unused bits that are not 0, of 2", "Zm9", 2 },
		{ "letters of base64", "+//+", 3 },
		{ "white space", "Zm9 ", 3 },
		{ "too short", "Zm9", 3 },
		{ "too long", "Zm9vZ", 3 },
		{ "one letter alone", "Z", 0 },
		{ "a high byte", "Zm9\xc3", 3 },
	};

	(void)state;
	for (EACH(row, rows)) {
		char out[16];

		CHECK(row->says,
		      !td_b64url_decode(row->text, strlen(row->text), out, row->out_len));
	}
}

static void
hex_is_exact(void **state)
{
	unsigned char out[2];

	(void)state;
	assert_true(td_hex_decode("0aFf", 4, out, 2));
	assert_memory_equal(out, "\x0a\xff", 2);
	assert_false(td_hex_decode("0aF", 3, out, 2));
	assert_false(td_hex_decode("0aFf0", 5, out, 2));
	assert_false(td_hex_decode("0g00", 4, out, 2));
	assert_false(td_hex_decode("0x00", 4, out, 2));
	assert_true(td_equal_ct("abc", "abd", 2));
	assert_false(td_equal_ct("abc", "abd", 3));
}

/* A thread keeps the last two keys set up: whichever comes next, only its own opens. */
static void
aead_keys_take_turns(void **state)
{
	static const unsigned order[] = { 0, 0, 1, 0, 1, 2, 0, 2, 1, 1, 2, 0 };
	unsigned char keys[3][TD_AEAD_KEY_LEN] = { { 1 }, { 2 }, { 3 } };
	unsigned char nonce[TD_AEAD_NONCE_LEN] = { 9 }, out[4 + TD_AEAD_TAG_LEN];
	unsigned char sealed[3][4 + TD_AEAD_TAG_LEN];
	struct td_bytes none = { "", 0 };

	(void)state;
	for (unsigned alg = 0; alg < 2; alg++) {
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(
				td_aead_seal((enum td_aead)alg, keys[i], nonce, none,
					     (struct td_bytes){ keys[i], 4 }, sealed[i]),
				TD_OK);
		for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
			unsigned k = order[i], other = (k + 1) % 3;
			struct td_bytes in = { sealed[k], sizeof(sealed[k]) };

			assert_int_equal(td_aead_open((enum td_aead)alg, keys[k], nonce,
						      none, in, out),
					 TD_OK);
			assert_memory_equal(out, keys[k], 4);
			if (i % 2 == 0)
				assert_int_equal(td_aead_open((enum td_aead)alg,
							      keys[other], nonce, none,
							      in, out),
						 TD_CRYPTO);
			assert_int_equal(
				td_aead_seal((enum td_aead)alg, keys[k], nonce, none,
					     (struct td_bytes){ keys[k], 4 }, out),
				TD_OK);
			assert_memory_equal(out, sealed[k], sizeof(out));
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_known_answers),
		cmocka_unit_test(hmac_known_answers),
		cmocka_unit_test(pbkdf2_known_answers),
		cmocka_unit_test(aead_known_answers_both_ways),
		cmocka_unit_test(aead_keys_take_turns),
		cmocka_unit_test(any_changed_bit_is_refused_and_leaves_nothing),
		cmocka_unit_test(what_is_shorter_than_a_tag_is_refused),
		cmocka_unit_test(threads_have_their_own_contexts),
		cmocka_unit_test(base64url_both_ways),
		cmocka_unit_test(base64url_has_one_text_per_value),
		cmocka_unit_test(hex_is_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
