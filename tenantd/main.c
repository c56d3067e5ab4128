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

#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define TICK_MS 5000
/* How long a loop may owe a sign of life when no service manager watches. */
#define STUCK_MS 30000

static const char USAGE[] =
	"usage: tenantd --config FILE [--check-config | --print-config]\n"
	"       tenantd --print-config          (defaults and what each key means)\n"
	"       tenantd --print-config=man      (the keys, for a manual page)\n"
	"       tenantd --version | --help\n";

enum command { RUN, CHECK_CONFIG, PRINT_CONFIG, PRINT_MANUAL };

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
		{ "print-config", optional_argument, NULL, 'p' },
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
			if (optarg != NULL && strcmp(optarg, "man") != 0)
				return usage(stderr, 2);
			ret->command = optarg != NULL ? PRINT_MANUAL : PRINT_CONFIG;
			break;
		case 'v':
			(void)puts("tenantd " TD_VERSION);
			return 0;
		case 'h':
			return usage(stdout, 0);
		default:
			return usage(stderr, 2);
		}
	}
	if (optind != argc || (ret->config == NULL && ret->command < PRINT_CONFIG))
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
print_config(enum command how, const struct config *c)
{
	struct td_buf out;

	td_buf_init(&out, 1 << 20);
	if (how == PRINT_MANUAL)
		td_yaml_man(&config_schema, &out);
	else
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

/* The main thread's rounds. */
struct rounds {
	int64_t every_ms, stuck_ms;
	int64_t next_mono;
	char status[128]; /* as last told */
	bool stuck;	  /* and told */
};

static void
rounds_init(struct rounds *r)
{
	int64_t watchdog = td_service_watchdog_ms();

	*r = (struct rounds){ .every_ms = TICK_MS, .stuck_ms = STUCK_MS };
	if (watchdog == 0)
		return;
	/* Half of the time to be sure that something hangs, the rest to be fed in. */
	r->stuck_ms = watchdog / 2;
	if (watchdog / 4 < r->every_ms)
		r->every_ms = watchdog / 4 > 0 ? watchdog / 4 : 1;
}

static void
tell_status(struct rounds *r, const char *status)
{
	if (strcmp(r->status, status) == 0)
		return;
	(void)snprintf(r->status, sizeof(r->status), "%s", status);
	td_service_status(status);
}

/* Housekeeping, and a word to the watchdog while every loop lives. */
static void
round_once(struct rounds *r, struct daemon *d)
{
	static const struct td_log_ctx log = { .room = "main" };
	const char *stuck = daemon_stuck(d, r->stuck_ms);
	char status[sizeof(r->status)];

	if (stuck != NULL) {
		(void)snprintf(status, sizeof(status), "stuck: %s", stuck);
		if (!r->stuck)
			td_log(TD_LOG_ERR, &log,
			       "%s has not come round for %lld ms; the watchdog is not "
			       "fed",
			       stuck, (long long)r->stuck_ms);
		r->stuck = true;
		tell_status(r, status);
		return;
	}
	if (r->stuck)
		td_log(TD_LOG_INFO, &log, "all loops come round again");
	r->stuck = false;
	td_service_alive();
	daemon_tick(d);
	daemon_status(d, status, sizeof(status));
	tell_status(r, status);
}

static void
run(struct daemon *d, const sigset_t *signals)
{
	struct rounds r;

	rounds_init(&r);
	for (;;) {
		int64_t wait = r.next_mono - td_mono_ms(td_env_system());
		struct timespec tick = { .tv_sec = wait / 1000,
					 .tv_nsec = wait % 1000 * 1000000 };

		if (wait <= 0) {
			round_once(&r, d);
			r.next_mono = td_mono_ms(td_env_system()) + r.every_ms;
			continue;
		}
		int sig = sigtimedwait(signals, NULL, &tick);
		if (sig == SIGTERM || sig == SIGINT)
			return;
		if (sig == SIGHUP) {
			td_service_reloading(td_env_system());
			daemon_reload(d);
			td_service_ready(r.status);
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
		td_log(TD_LOG_INFO, &log, "tenantd %s is ready", TD_VERSION);
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
	if (args.config == NULL || args.command == PRINT_MANUAL)
		return print_config(args.command, NULL);
	td_yaml_report_init(&report);
	if (config_load(args.config, &config, &report, &err) != TD_OK)
		return complain(&report, &err);
	if (args.command == RUN)
		return serve(args.config, &config);
	if (args.command == PRINT_CONFIG) {
		code = print_config(PRINT_CONFIG, &config);
	} else if (daemon_check(&config, &report, &err) != TD_OK) {
		code = complain(&report, &err);
	} else {
		(void)printf("%s: good\n", args.config);
		code = 0;
	}
	config_free(&config);
	return code;
}
