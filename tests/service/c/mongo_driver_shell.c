/*
 * The MongoDB driver at the end of a pipe, for tests/service/test_mongo_driver*.py: one JSON
 * request per line in, one JSON reply per line out. The tests are in Python because the
 * other side of each of them is a tenant at work with a real client, or a server that is
 * being stopped, slowed or cut.
 *
 *   mongo_driver_shell --uri U --username-file F --password-file F [--next-username-file F
 *       --next-password-file F] --policies DIR --instance HEX [--die-after N]
 *       [--stop-after N]
 *
 * {"verb": "observe" | "ensure" | "remove" | "probe" | "measure", "appid", "access", ...}
 * or {"parallel": [request, ...]}, each in a thread of its own.
 *
 * --die-after N: the process kills itself when the N-th backend request has come back and
 * before anything was made of its reply; the way to stop at every sub-step. --stop-after N:
 * it is stopped there (SIGSTOP) and goes on when it is told to, so that a test can do
 * something in between.
 */
#include "base/yaml.h"
#include "driver_shell.h"
#include "mongo/driver.h"
#include "policies/policy.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static json_t *
measure(const json_t *request, const char *verb, int64_t deadline)
{
	struct mongo_usage usage = { 0 };
	struct drv_result res = { 0 };
	struct td_err err = { 0 };
	int64_t began = td_mono_ms(td_env_system());
	json_t *out;
	enum td_rc rc;

	if (strcmp(verb, "measure") != 0)
		return NULL;
	rc = mongo_driver_measure(shell.driver, shell_text(request, "appid"), deadline,
				  &usage, &err);
	out = shell_reply(rc, &err, &res, began);
	json_object_set_new(out, "data_bytes",
			    json_integer((json_int_t)usage.data_bytes));
	json_object_set_new(out, "index_bytes",
			    json_integer((json_int_t)usage.index_bytes));
	json_object_set_new(out, "collections",
			    json_integer((json_int_t)usage.collections));
	json_object_set_new(out, "objects", json_integer((json_int_t)usage.objects));
	return out;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = { { "uri", 1, NULL, 'u' },
						 { "username-file", 1, NULL, 'n' },
						 { "password-file", 1, NULL, 'p' },
						 { "next-username-file", 1, NULL, 'N' },
						 { "next-password-file", 1, NULL, 'P' },
						 { "policies", 1, NULL, 'd' },
						 { "instance", 1, NULL, 'i' },
						 { "die-after", 1, NULL, 'k' },
						 { "stop-after", 1, NULL, 's' },
						 { NULL, 0, NULL, 0 } };
	struct drv_trace trace = { .call = shell_on_call };
	struct mongo_driver_options opt = { .trace = &trace };
	static struct td_yaml_report report;
	struct policy_set *policies;
	const char *dir = "";
	struct td_err err;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'u':
			opt.uri = optarg;
			break;
		case 'n':
			opt.current.username_file = optarg;
			break;
		case 'p':
			opt.current.password_file = optarg;
			break;
		case 'N':
			opt.next.username_file = optarg;
			break;
		case 'P':
			opt.next.password_file = optarg;
			break;
		case 'd':
			dir = optarg;
			break;
		case 'i':
			opt.instance_id = optarg;
			break;
		case 'k':
			shell.die_after = (int)strtol(optarg, NULL, 10);
			break;
		case 's':
			shell.stop_after = (int)strtol(optarg, NULL, 10);
			break;
		default:
			return 2;
		}
	}
	mongo_global_init();
	td_yaml_report_init(&report);
	if (policy_set_load(dir, &policies, &report, &err) != TD_OK)
		return shell_complain(&err);
	opt.policies = policies;
	if (mongo_driver_new(&opt, &shell.driver, &err) != TD_OK)
		return shell_complain(&err);
	shell.own = measure;
	shell_serve();
	shell.driver->ops->free(shell.driver);
	policy_set_free(policies);
	mongo_global_done();
	return 0;
}
