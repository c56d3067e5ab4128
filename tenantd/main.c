/*
 * tenantd: parse, set up, run, tear down once.
 *
 * Signals are taken by the main thread alone, synchronously, so there is no handler and
 * nothing to be async-signal-safe: TERM and INT stop, HUP reloads.
 */
#include "base/http.h"
#include "base/log.h"
#include "base/service.h"
#include "daemon.h"
#include "mongo/driver.h"

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#ifndef TENANTD_VERSION
#define TENANTD_VERSION "0.1.0"
#endif
#define TICK_SECONDS 5

static const char USAGE[] =
	"usage: tenantd --config FILE [--check-config | --print-config]\n"
	"       tenantd --print-config          (defaults and what each key means)\n"
	"       tenantd --version | --help\n";

enum command { RUN, CHECK_CONFIG, PRINT_CONFIG };

struct args {
	enum command command;
	const char *config;
};

static int
usage(FILE *to, int code)
{
	(void)fputs(USAGE, to);
	return code;
}

/* -1: go on; else the exit code. */
static int
parse(int argc, char **argv, struct args *ret)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check-config", no_argument, NULL, 'k' },
		{ "print-config", no_argument, NULL, 'p' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	int opt;

	while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			ret->config = optarg;
			break;
		case 'k':
			ret->command = CHECK_CONFIG;
			break;
		case 'p':
			ret->command = PRINT_CONFIG;
			break;
		case 'v':
			(void)puts("tenantd " TENANTD_VERSION);
			return 0;
		case 'h':
			return usage(stdout, 0);
		default:
			return usage(stderr, 2);
		}
	}
	if (optind != argc || (ret->config == NULL && ret->command != PRINT_CONFIG))
		return usage(stderr, 2);
	return -1;
}

static int
complain(const struct td_yaml_report *report, const struct td_err *err)
{
	for (size_t i = 0; i < report->count; i++)
		(void)fprintf(stderr, "tenantd: %s\n", report->text[i]);
	if (report->dropped > 0)
		(void)fprintf(stderr, "tenantd: and %zu more\n", report->dropped);
	if (report->count == 0)
		(void)fprintf(stderr, "tenantd: %s\n", err->detail);
	return 1;
}

static int
print_config(const struct config *c)
{
	struct td_buf out;

	td_buf_init(&out, 1 << 20);
	td_yaml_print(&config_schema, c, &out);
	bool bad = td_buf_rc(&out) != TD_OK || fputs(td_buf_cstr(&out), stdout) == EOF;
	td_buf_done(&out);
	return bad ? 1 : 0;
}

/* Secrets stay out of core files, and out of reach of a debugger of the same user. */
static void
harden(void)
{
	struct rlimit none = { 0, 0 }, files;

	(void)umask(0077);
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	/* Many short-lived buffers on many threads: few arenas keep the footprint flat. */
	(void)mallopt(M_ARENA_MAX, 2);
}

static void
run(struct daemon *d, const sigset_t *signals)
{
	struct timespec tick = { .tv_sec = TICK_SECONDS };

	for (;;) {
		int sig = sigtimedwait(signals, NULL, &tick);

		if (sig == SIGTERM || sig == SIGINT)
			return;
		if (sig == SIGHUP) {
			td_service_reloading(td_env_system());
			daemon_reload(d);
			td_service_ready("serving");
		} else if (sig < 0 && errno == EAGAIN) {
			daemon_tick(d);
			td_service_alive();
		}
	}
}

static int
serve(const char *path, struct config *c)
{
	struct td_log_ctx log = { .room = "main" };
	struct daemon *d = NULL;
	struct td_err err = { 0 };
	sigset_t signals;

	harden();
	(void)signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	(void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
	td_log_set_level((enum td_log_level)c->log_level);
	if (td_http_global_init(&err) != TD_OK) {
		config_free(c);
		td_log_err(TD_LOG_ERR, &log, &err, "cannot start");
		return 1;
	}
	mongo_global_init();
	enum td_rc rc = daemon_start(path, c, &d, &err);
	if (rc == TD_OK) {
		td_log(TD_LOG_INFO, &log, "tenantd %s is ready", TENANTD_VERSION);
		td_service_ready("serving");
		run(d, &signals);
		td_service_stopping();
		td_log(TD_LOG_INFO, &log, "stopping");
		daemon_stop(d);
	} else {
		td_log_err(TD_LOG_ERR, &log, &err, "cannot start");
	}
	mongo_global_done();
	td_http_global_done();
	return rc == TD_OK ? 0 : 1;
}

int
main(int argc, char **argv)
{
	struct args args = { RUN, NULL };
	struct td_yaml_report report;
	struct td_err err = { 0 };
	struct config config;
	int code = parse(argc, argv, &args);

	if (code >= 0)
		return code;
	if (args.config == NULL)
		return print_config(NULL);
	td_yaml_report_init(&report);
	if (config_load(args.config, &config, &report, &err) != TD_OK)
		return complain(&report, &err);
	if (args.command == RUN)
		return serve(args.config, &config);
	if (args.command == PRINT_CONFIG) {
		code = print_config(&config);
	} else if (daemon_check(&config, &report, &err) != TD_OK) {
		code = complain(&report, &err);
	} else {
		(void)printf("%s: good\n", args.config);
		code = 0;
	}
	config_free(&config);
	return code;
}
