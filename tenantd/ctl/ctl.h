/*
 * tenantctl: the command line of tenantd. It speaks the HTTP API and nothing else; only
 * `policy` works without a daemon.
 *
 * Thread rule: once per process, from main.
 */
#pragma once

/* Exit statuses, documented in tenantctl(1). Scripts rely on them: append, never renumber. */
enum ctl_exit {
	CTL_OK = 0,
	CTL_ERROR = 1,	   /* tenantd answered with an error, or something failed here */
	CTL_USAGE = 2,	   /* the command line, or a file that it needs, is wrong */
	CTL_NOT_FOUND = 3, /* 404, 410 */
	CTL_CONFLICT = 4,  /* 409, 412, or somebody else's object stands in the way */
	CTL_UNREACHABLE = 5, /* no answer from tenantd */
	CTL_TIMEOUT = 6,     /* --wait: not settled in time */
	CTL_DENIED = 7,	     /* 401, 403 */
	/* as env(1) has them, for `exec` */
	CTL_NOT_EXECUTABLE = 126,
	CTL_NO_COMMAND = 127
};

/* Runs one command line; the exit status. `exec` does not return when it succeeds. */
int ctl_main(int argc, char *const argv[]);
