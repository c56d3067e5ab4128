/*
 * Seals: what opens, what does not, and the credential document over its chunks.
 */
#include "test_store_support.h"

#include "store/seal.h"
#include "store/seal_cache.h"

#include <pthread.h>
#include <sys/stat.h>

struct fixture {
	char *dir;
	struct store *s;
	struct td_secret *master;
	struct seal *seal;
	struct rec_datakey dk;
};

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct store_options opt;

	assert_non_null(f);
	f->dir = support_dir();
	opt = support_options(f->dir);
	f->s = support_open(&opt);
	f->master = td_secret_random(td_env_system(), 32);
	assert_int_equal(seal_new(td_env_system(), f->master, &f->seal, NULL), TD_OK);
	assert_int_equal(seal_datakey_new(f->seal, "abc123", &f->dk, NULL), TD_OK);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	seal_free(f->seal);
	td_secret_free(f->master);
	store_close(f->s);
	support_remove(f->dir);
	free(f->dir);
	free(f);
	return 0;
}

static const char plain[] = "the secret of abc123";

static enum td_rc
open_it(struct seal *s, const struct rec_datakey *dk, const struct seal_ad *ad,
	const struct td_buf *sealed)
{
	struct td_buf out;
	enum td_rc rc;

	td_buf_init_secret(&out, 1000);
	rc = seal_open(s, dk, ad, (struct td_bytes){ sealed->data, sealed->len }, &out,
		       NULL);
	if (rc == TD_OK) {
		assert_int_equal(out.len, sizeof(plain));
		assert_memory_equal(out.data, plain, sizeof(plain));
	} else {
		assert_int_equal(out.len, 0);
	}
	td_buf_done(&out);
	return rc;
}

static void
test_each_member_of_the_associated_data_counts(void **state)
{
	struct fixture *f = *state;
	const struct seal_ad ad = { STORE_SLOT, "abc123", DRV_DATABASE, DRV_SLOT_A, 7 };
	struct rec_datakey other;
	struct td_buf sealed;
	struct seal_ad bad;

	td_buf_init(&sealed, 1000);
	assert_int_equal(seal_close(f->seal, &f->dk, &ad,
				    (struct td_bytes){ plain, sizeof(plain) }, &sealed,
				    NULL),
			 TD_OK);
	assert_int_equal(sealed.len, 12 + sizeof(plain) + 16);
	assert_null(memmem(sealed.data, sealed.len, "secret", 6));
	assert_int_equal(open_it(f->seal, &f->dk, &ad, &sealed), TD_OK);

	bad = ad, bad.table = STORE_CREDENTIAL;
	assert_int_equal(open_it(f->seal, &f->dk, &bad, &sealed), TD_CRYPTO);
	bad = ad, bad.resource = DRV_OBJECT;
	assert_int_equal(open_it(f->seal, &f->dk, &bad, &sealed), TD_CRYPTO);
	bad = ad, bad.slot = DRV_SLOT_B;
	assert_int_equal(open_it(f->seal, &f->dk, &bad, &sealed), TD_CRYPTO);
	bad = ad, bad.serial = 8;
	assert_int_equal(open_it(f->seal, &f->dk, &bad, &sealed), TD_CRYPTO);
	bad = ad, bad.serial = 7ull << 8;
	assert_int_equal(open_it(f->seal, &f->dk, &bad, &sealed), TD_CRYPTO);
	/* Another appid: its data key does not even unwrap. */
	bad = ad, bad.appid = "abc124";
	assert_int_equal(open_it(f->seal, &f->dk, &bad, &sealed), TD_CRYPTO);
	/* Another tenant's key on this tenant's value. */
	assert_int_equal(seal_datakey_new(f->seal, "abc123", &other, NULL), TD_OK);
	assert_int_equal(open_it(f->seal, &other, &ad, &sealed), TD_CRYPTO);
	assert_int_equal(open_it(f->seal, &f->dk, &ad, &sealed), TD_OK);
	td_buf_done(&sealed);
}

static void
test_every_byte_of_a_sealed_value_counts(void **state)
{
	struct fixture *f = *state;
	const struct seal_ad ad = { STORE_SLOT, "abc123", DRV_OBJECT, DRV_SLOT_A, 7 };
	struct rec_datakey bad = f->dk;
	struct td_buf sealed;
	size_t full;

	td_buf_init(&sealed, 1000);
	assert_int_equal(seal_close(f->seal, &f->dk, &ad,
				    (struct td_bytes){ plain, sizeof(plain) }, &sealed,
				    NULL),
			 TD_OK);
	full = sealed.len;
	for (size_t i = 0; i < full; i++) {
		sealed.data[i] ^= 1;
		assert_int_equal(open_it(f->seal, &f->dk, &ad, &sealed), TD_CRYPTO);
		sealed.data[i] ^= 1;
		sealed.len = i;
		assert_int_equal(open_it(f->seal, &f->dk, &ad, &sealed), TD_CRYPTO);
		sealed.len = full;
	}
	for (size_t i = 0; i < sizeof(bad.wrapped); i++) {
		bad.wrapped[i] ^= 1;
		assert_int_equal(open_it(f->seal, &bad, &ad, &sealed), TD_CRYPTO);
		bad.wrapped[i] ^= 1;
	}
	assert_int_equal(open_it(f->seal, &bad, &ad, &sealed), TD_OK);
	td_buf_done(&sealed);
}

static void
test_nonces_differ(void **state)
{
	struct fixture *f = *state;
	const struct seal_ad ad = { STORE_SLOT, "abc123", 0, 0, 7 };
	struct td_buf a, b;

	td_buf_init(&a, 1000);
	td_buf_init(&b, 1000);
	for (int i = 0; i < 2; i++)
		assert_int_equal(seal_close(f->seal, &f->dk, &ad,
					    (struct td_bytes){ plain, sizeof(plain) },
					    i == 0 ? &a : &b, NULL),
				 TD_OK);
	assert_memory_not_equal(a.data, b.data, 12);
	assert_memory_not_equal(a.data + 12, b.data + 12, sizeof(plain));
	td_buf_done(&a);
	td_buf_done(&b);
}

static void
test_slot_secrets(void **state)
{
	struct fixture *f = *state;
	struct td_secret *secret = td_secret_random_alnum(td_env_system(), 40);
	struct td_secret *big =
		td_secret_random_alnum(td_env_system(), REC_SEALED_MAX - 27);
	struct td_secret *back = NULL;
	struct rec_slot slot = { .serial = 3 };

	assert_int_equal(seal_slot_close(f->seal, &f->dk, "abc123", DRV_OBJECT,
					 DRV_SLOT_A, secret, &slot, NULL),
			 TD_OK);
	assert_int_equal(slot.sealed_len, 40 + 28);
	assert_int_equal(seal_slot_open(f->seal, &f->dk, "abc123", DRV_OBJECT, DRV_SLOT_A,
					&slot, &back, NULL),
			 TD_OK);
	assert_true(td_secret_equal(secret, back));
	td_secret_free(back);
	assert_int_equal(seal_slot_open(f->seal, &f->dk, "abc123", DRV_OBJECT, DRV_SLOT_B,
					&slot, &back, NULL),
			 TD_CRYPTO);
	slot.serial = 4;
	assert_int_equal(seal_slot_open(f->seal, &f->dk, "abc123", DRV_OBJECT, DRV_SLOT_A,
					&slot, &back, NULL),
			 TD_CRYPTO);
	assert_int_equal(seal_slot_close(f->seal, &f->dk, "abc123", DRV_OBJECT,
					 DRV_SLOT_A, big, &slot, NULL),
			 TD_TOO_LARGE);
	td_secret_free(secret);
	td_secret_free(big);
}

/* ---- the document ---- */

static void
fill_doc(struct rec_cred *doc, unsigned buckets)
{
	memset(doc, 0, sizeof(*doc));
	doc->has_object = 1;
	memcpy(doc->access_key, "AK", 3);
	memcpy(doc->secret_key, "planted-secret-key", 19);
	doc->bucket_total = buckets;
	doc->bucket_count = (uint16_t)buckets;
	for (unsigned i = 0; i < buckets; i++)
		(void)snprintf(doc->buckets[i].name, sizeof(doc->buckets[i].name),
			       "a-bucket-with-a-long-name-%04u", i % 10000);
}

static void
put_doc(struct fixture *f, const struct rec_cred_head *head, const struct rec_cred *doc,
	uint64_t *version)
{
	struct store_commit *c = store_commit_new(STORE_NORMAL);
	unsigned char key[STORE_KEY_MAX];
	struct td_buf b;

	td_buf_init(&b, 200);
	rec_datakey_encode(&f->dk, &b);
	store_commit_put(c, STORE_DATAKEY, key, rec_key_appid("abc123", key), b.data,
			 b.len);
	td_buf_done(&b);
	assert_int_equal(seal_cred_put(f->seal, &f->dk, "abc123", head, doc, c, NULL),
			 TD_OK);
	assert_int_equal(store_commit(f->s, c, version, NULL), TD_OK);
}

static enum td_rc
get_doc(struct fixture *f, struct seal *seal, struct rec_cred_head *head,
	struct rec_cred *doc, uint64_t *version)
{
	struct store_read *r;
	enum td_rc rc;

	assert_int_equal(store_read_begin(f->s, &r, NULL), TD_OK);
	rc = seal_cred_get(seal, r, "abc123", head, doc, version, NULL);
	store_read_end(r);
	return rc;
}

static uint64_t
count(struct fixture *f, enum store_table t)
{
	struct store_read *r;
	uint64_t n;

	assert_int_equal(store_read_begin(f->s, &r, NULL), TD_OK);
	n = store_count(r, t);
	store_read_end(r);
	return n;
}

static void
test_documents_of_all_sizes(void **state)
{
	/* Growing and shrinking, so that chunks of a longer one before must go. */
	static const unsigned sizes[] = { 0, 100, 1, 99, 40, 60, 0 };
	struct fixture *f = *state;
	struct rec_cred_head head = { .state = REC_CRED_READY, .region = "default" },
			     back;
	struct rec_cred doc, doc_back;
	uint64_t version, v;

	assert_int_equal(get_doc(f, f->seal, &back, &doc_back, &v), TD_NOT_FOUND);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		head.serial = i + 1;
		fill_doc(&doc, sizes[i]);
		put_doc(f, &head, &doc, &version);
		memset(&doc_back, 0xee, sizeof(doc_back));
		assert_int_equal(get_doc(f, f->seal, &back, &doc_back, &v), TD_OK);
		assert_memory_equal(&doc, &doc_back, sizeof(doc));
		assert_int_equal(v, version);
		assert_int_equal(back.serial, i + 1);
		assert_string_equal(back.region, "default");
		assert_int_equal(count(f, STORE_CREDENTIAL),
				 (back.total_len + 60) / STORE_VALUE_MAX + 1);
	}
	assert_int_equal(count(f, STORE_CREDENTIAL), 1);
	/* The head alone needs no key, nor a version's place. */
	assert_int_equal(get_doc(f, NULL, &back, NULL, NULL), TD_OK);
	assert_int_equal(back.serial, 7);
}

static void
test_a_head_without_a_document(void **state)
{
	struct fixture *f = *state;
	struct rec_cred_head head = { .state = REC_CRED_SUSPENDED, .serial = 9 }, back;
	struct rec_cred doc;
	uint64_t v;

	put_doc(f, &head, NULL, &v);
	assert_int_equal(get_doc(f, f->seal, &back, &doc, &v), TD_OK);
	assert_int_equal(back.state, REC_CRED_SUSPENDED);
	assert_int_equal(back.total_len, 0);
	assert_int_equal(doc.has_object, 0);
}

/* Every byte of every chunk, changed in the store. */
static void
test_a_changed_document_does_not_open(void **state)
{
	struct fixture *f = *state;
	struct rec_cred_head head = { .state = REC_CRED_SUSPENDED,
				      .serial = 1,
				      .region = "r" };
	struct rec_cred_head back;
	struct rec_cred doc;
	uint64_t v;

	fill_doc(&doc, 100);
	put_doc(f, &head, &doc, &v);
	for (uint8_t chunk = 0; chunk < 2; chunk++) {
		unsigned char key[STORE_KEY_MAX], value[STORE_VALUE_MAX];
		size_t n = rec_key_credential("abc123", chunk, key);
		struct store_value sv;
		struct store_read *r;
		size_t len;

		assert_int_equal(store_read_begin(f->s, &r, NULL), TD_OK);
		assert_int_equal(store_get(r, STORE_CREDENTIAL, key, n, &sv, NULL),
				 TD_OK);
		len = sv.len;
		memcpy(value, sv.data, len);
		store_read_end(r);
		for (size_t i = 0; i < len; i += i < 80 ? 1 : 97) {
			struct store_commit *c = store_commit_new(STORE_NORMAL);
			enum td_rc rc;

			value[i] ^= 1;
			store_commit_put(c, STORE_CREDENTIAL, key, n, value, len);
			assert_int_equal(store_commit(f->s, c, NULL, NULL), TD_OK);
			rc = get_doc(f, f->seal, &back, &doc, &v);
			if (rc != TD_CRYPTO && rc != TD_CORRUPT)
				fail_msg("chunk %u byte %zu: rc %d", chunk, i, rc);
			value[i] ^= 1;
		}
		struct store_commit *c = store_commit_new(STORE_NORMAL);
		store_commit_put(c, STORE_CREDENTIAL, key, n, value, len);
		assert_int_equal(store_commit(f->s, c, NULL, NULL), TD_OK);
		assert_int_equal(get_doc(f, f->seal, &back, &doc, &v), TD_OK);
	}
	/* A chunk that is gone. */
	struct store_commit *c = store_commit_new(STORE_NORMAL);
	unsigned char key[STORE_KEY_MAX];
	store_commit_del(c, STORE_CREDENTIAL, key, rec_key_credential("abc123", 1, key));
	assert_int_equal(store_commit(f->s, c, NULL, NULL), TD_OK);
	assert_int_equal(get_doc(f, f->seal, &back, &doc, &v), TD_CORRUPT);
}

/* The cached key of a thread is an old one: the record decides. */
static void
test_a_new_data_key_is_noticed(void **state)
{
	struct fixture *f = *state;
	struct rec_cred_head head = { .serial = 1, .region = "r" }, back;
	struct rec_cred doc;
	uint64_t v;

	fill_doc(&doc, 3);
	put_doc(f, &head, &doc, &v);
	assert_int_equal(get_doc(f, f->seal, &back, &doc, &v), TD_OK);
	assert_int_equal(seal_datakey_new(f->seal, "abc123", &f->dk, NULL), TD_OK);
	/* A second seal writes, so that the cache of the first is not told. */
	struct seal *writer;
	assert_int_equal(seal_new(td_env_system(), f->master, &writer, NULL), TD_OK);
	struct fixture g = *f;
	g.seal = writer;
	put_doc(&g, &head, &doc, &v);
	seal_free(writer);
	assert_int_equal(get_doc(f, f->seal, &back, &doc, &v), TD_OK);
	/* The document brings its key along: no cache and no other record is needed ... */
	struct store_commit *c = store_commit_new(STORE_NORMAL);
	store_commit_del(c, STORE_DATAKEY, "abc123", 6);
	assert_int_equal(store_commit(f->s, c, NULL, NULL), TD_OK);
	assert_int_equal(seal_new(td_env_system(), f->master, &writer, NULL), TD_OK);
	assert_int_equal(get_doc(f, writer, &back, &doc, &v), TD_OK);
	seal_free(writer);
	/* ... but the master key is. */
	struct td_secret *wrong = td_secret_random(td_env_system(), 32);
	assert_int_equal(seal_new(td_env_system(), wrong, &writer, NULL), TD_OK);
	assert_int_equal(get_doc(f, writer, &back, &doc, &v), TD_CRYPTO);
	seal_free(writer);
	td_secret_free(wrong);
}

/* More tenants than the cache has places, from several threads, for the sanitizers. */
static void *
many_keys(void *arg)
{
	struct fixture *f = arg;

	for (int i = 0; i < SEAL_CACHE_ENTRIES + 500; i++) {
		struct rec_datakey dk;
		struct seal_ad ad = { .table = STORE_SLOT, .serial = (uint64_t)i };
		struct td_buf sealed;
		char appid[32];

		(void)snprintf(appid, sizeof(appid), "tenant%04d", i);
		ad.appid = appid;
		td_buf_init(&sealed, 200);
		if (seal_datakey_new(f->seal, appid, &dk, NULL) != TD_OK ||
		    seal_close(f->seal, &dk, &ad,
			       (struct td_bytes){ plain, sizeof(plain) }, &sealed,
			       NULL) != TD_OK ||
		    open_it(f->seal, &dk, &ad, &sealed) != TD_OK)
			return arg;
		td_buf_done(&sealed);
	}
	return NULL;
}

static void
test_threads_have_caches_of_their_own(void **state)
{
	pthread_t threads[4];

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, many_keys, *state), 0);
	for (int i = 0; i < 4; i++) {
		void *bad;
		assert_int_equal(pthread_join(threads[i], &bad), 0);
		assert_null(bad);
	}
}

/* ---- the master key ---- */

static void
test_the_master_key_is_checked(void **state)
{
	struct fixture *f = *state;
	struct td_secret *wrong = td_secret_random(td_env_system(), 32);
	struct td_secret *shorter = td_secret_random(td_env_system(), 31);
	struct td_err err = { .rc = TD_OK };
	struct seal *other;
	struct rec_cred_head head = { .serial = 1 };
	struct store_commit *c;
	uint64_t v;

	assert_int_equal(seal_check_master(f->seal, f->s, &err), TD_OK);
	assert_int_equal(seal_check_master(f->seal, f->s, &err), TD_OK);
	assert_int_equal(seal_new(td_env_system(), wrong, &other, NULL), TD_OK);
	assert_int_equal(seal_check_master(other, f->s, &err), TD_CRYPTO);
	assert_non_null(strstr(err.detail, "not the master key"));
	seal_free(other);
	assert_int_equal(seal_new(td_env_system(), shorter, &other, NULL), TD_INVALID);
	/* Without its check value, a store that holds data keys takes no key at all. */
	put_doc(f, &head, NULL, &v);
	c = store_commit_new(STORE_NORMAL);
	store_commit_del(c, STORE_META, "master", 6);
	assert_int_equal(store_commit(f->s, c, NULL, NULL), TD_OK);
	assert_int_equal(seal_check_master(f->seal, f->s, &err), TD_CORRUPT);
	td_secret_free(wrong);
	td_secret_free(shorter);
}

static void
write_file(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fputs(text, file) >= 0, 1);
	fclose(file);
	assert_int_equal(chmod(path, mode), 0);
}

static void
test_master_key_files(void **state)
{
#define HEX64 "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"
	static const struct {
		const char *why, *text;
		mode_t mode;
		enum td_rc rc;
	} rows[] = {
		{ "64 digits", HEX64, 0400, TD_OK },
		{ "with a newline", HEX64 "\n", 0600, TD_OK },
		{ "one digit more", HEX64 "0", 0400, TD_INVALID },
		{ "two newlines", HEX64 "\n\n", 0400, TD_INVALID },
		{ "not hex",
		  "g0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
		  0400, TD_INVALID },
		{ "empty", "", 0400, TD_INVALID },
		{ "others may read it", HEX64, 0404, TD_INVALID },
		{ "the group may read it", HEX64, 0440, TD_INVALID },
	};
	struct fixture *f = *state;
	char path[256];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct td_secret *key = NULL;
		struct td_err err = { .rc = TD_OK };

		(void)snprintf(path, sizeof(path), "%s/key%zu", f->dir, i);
		write_file(path, rows[i].text, rows[i].mode);
		if (seal_read_master_file(path, &key, &err) != rows[i].rc)
			fail_msg("%s: %s", rows[i].why, err.detail);
		/* Never the content in what is logged. */
		assert_null(strstr(err.detail, "00112233"));
		if (rows[i].rc == TD_OK) {
			assert_int_equal(td_secret_len(key), 32);
			assert_memory_equal(td_secret_bytes(key), "\x00\x11\x22\x33", 4);
		}
		td_secret_free(key);
	}
	(void)snprintf(path, sizeof(path), "%s/none", f->dir);
	struct td_secret *key = NULL;
	assert_int_equal(seal_read_master_file(path, &key, NULL), TD_IO);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_each_member_of_the_associated_data_counts),
		T(test_every_byte_of_a_sealed_value_counts),
		T(test_nonces_differ),
		T(test_slot_secrets),
		T(test_documents_of_all_sizes),
		T(test_a_head_without_a_document),
		T(test_a_changed_document_does_not_open),
		T(test_a_new_data_key_is_noticed),
		T(test_threads_have_caches_of_their_own),
		T(test_the_master_key_is_checked),
		T(test_master_key_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
