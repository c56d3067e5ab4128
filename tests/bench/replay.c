/*
 * The same backend requests as tenantd makes for new tenants, bare: the drivers called
 * by 16 threads per backend, with no API, store, intents or scheduling around them.
 *
 * usage: bench_replay MINIO_URL ACCESS_KEY_FILE SECRET_KEY_FILE
 *                     MONGODB_URI USERNAME_FILE PASSWORD_FILE POLICIES_DIR PREFIX COUNT
 * Prints the seconds it took.
 */
#include "base/http.h"
#include "minio/driver.h"
#include "mongo/driver.h"
#include "policies/policy.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT_ONCE 16
#define INSTANCE "00000000000000000000000000000000"

struct replay {
	struct driver *driver;
	const char *prefix;
	int count;
	atomic_int next;
	atomic_int failed;
};

static void
fail(struct replay *r, const char *appid, const struct td_err *err)
{
	(void)fprintf(stderr, "bench_replay: %s: %s\n", appid, err->detail);
	atomic_fetch_add(&r->failed, 1);
}

static struct drv_slot
slot(enum drv_slot_id id, const char *key, struct td_secret *secret)
{
	struct drv_slot s = {
		.id = id, .want = DRV_SLOT_KEEP, .secret = secret, .fresh = true
	};

	(void)stpncpy(s.key_id, key, sizeof(s.key_id) - 1);
	return s;
}

static void
one(struct replay *r, int n)
{
	struct td_secret *secret = td_secret_random_alnum(td_env_system(), 40);
	bool object = r->driver->resource == DRV_OBJECT;
	char appid[DRV_APPID_SIZE], key[24];
	struct drv_bucket bucket = { .name = "data",
				     .mode = DRV_BUCKET_PRIVATE,
				     .quota_bytes = 1 << 30 };
	struct drv_slot slots[2];
	struct drv_result res = { 0 };
	struct td_err err = { 0 };

	(void)snprintf(appid, sizeof(appid), "%s%04d", r->prefix, n);
	(void)snprintf(key, sizeof(key), "ABCDEFGHIJ%s%04d", r->prefix, n % 10000);
	slots[0] = slot(object ? DRV_SLOT_PARENT : DRV_SLOT_A, appid, secret);
	slots[1] = slot(DRV_SLOT_A, key, secret);
	struct drv_call c = { .appid = appid,
			      .instance_id = INSTANCE,
			      .deadline_mono_ms = td_mono_ms(td_env_system()) + 60000,
			      .access = DRV_ACCESS_FULL,
			      .template_name = "tenantd_owner",
			      .slots = slots,
			      .slot_count = object ? 2 : 1,
			      .buckets = object ? &bucket : NULL,
			      .bucket_count = object ? 1 : 0 };
	if (driver_observe(r->driver, &c, &res, &err) != TD_OK) {
		fail(r, appid, &err);
	} else {
		c.absent_before = bucket.absent_before = true;
		if (driver_ensure(r->driver, &c, &res, &err) != TD_OK)
			fail(r, appid, &err);
	}
	td_secret_free(secret);
}

static void *
work(void *ctx)
{
	struct replay *r = ctx;
	int n;

	while ((n = atomic_fetch_add(&r->next, 1)) < r->count)
		one(r, n);
	return NULL;
}

static void
die(const struct td_err *err)
{
	(void)fprintf(stderr, "bench_replay: %s\n", err->detail);
	exit(1);
}

int
main(int argc, char **argv)
{
	struct policy_set *policies = NULL;
	struct replay parts[2] = { 0 };
	pthread_t threads[2][AT_ONCE];
	struct td_err err = { 0 };

	if (argc != 10)
		return 2;
	mongo_global_init();
	if (td_http_global_init(&err) != TD_OK ||
	    policy_set_load(argv[7], &policies, NULL, &err) != TD_OK)
		die(&err);
	struct minio_driver_options minio = { .endpoints =
						      (const char *const[]){ argv[1] },
					      .endpoint_count = 1,
					      .current = { argv[2], argv[3] },
					      .instance_id = INSTANCE,
					      .policies = policies,
					      .env = td_env_system() };
	struct mongo_driver_options mongo = { .uri = argv[4],
					      .current = { argv[5], argv[6] },
					      .instance_id = INSTANCE,
					      .policies = policies,
					      .env = td_env_system() };
	if (minio_driver_new(&minio, &parts[0].driver, &err) != TD_OK ||
	    mongo_driver_new(&mongo, &parts[1].driver, &err) != TD_OK)
		die(&err);
	int64_t began = td_mono_ms(td_env_system());
	for (int p = 0; p < 2; p++) {
		parts[p].prefix = argv[8];
		parts[p].count = (int)strtol(argv[9], NULL, 10);
		for (int i = 0; i < AT_ONCE; i++)
			if (pthread_create(&threads[p][i], NULL, work, &parts[p]) != 0)
				return 1;
	}
	for (int p = 0; p < 2; p++)
		for (int i = 0; i < AT_ONCE; i++)
			(void)pthread_join(threads[p][i], NULL);
	(void)printf("%.3f\n", (double)(td_mono_ms(td_env_system()) - began) / 1000);
	int failed = parts[0].failed + parts[1].failed;
	for (int p = 0; p < 2; p++)
		parts[p].driver->ops->free(parts[p].driver);
	policy_set_free(policies);
	mongo_global_done();
	td_http_global_done();
	return failed == 0 ? 0 : 1;
}
