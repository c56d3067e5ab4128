/*
 * A whole API in this process for the unit tests: real store, real engine, real sockets. The
 * one thing that is not real is what the scripted driver stands for, the backends; it can
 * be held still, so that a test decides when a tenant gets ready.
 */
#pragma once

#include "api/api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct bed {
	char dir[64];
	char admin[48]; /* the admin's token */
	struct store *store;
	struct seal *seal;
	struct spool_set *spools;
	struct plan_set *plans;
	struct engine *engine;
	struct denymap *denymap; /* or NULL */
	struct api *api;
	uint16_t port;
};

struct bed_options {
	struct api_limits limits;
	enum api_audit_reads audit_reads;
	uint32_t spool_bytes; /* 0: 1 MiB */
	unsigned threads;     /* 0: 1 */
	bool deny_map; /* keep one: <dir>/gateway/deny.map; the folder is not made */
};

struct bed *bed_new(const struct bed_options *opt);
void bed_free(struct bed *bed);
/* Group fixtures: a bed with the usual options is every test's *state. */
int bed_setup(void **state);
int bed_teardown(void **state);
/* Driver calls wait while held. */
void bed_hold(void);
void bed_release(void);
/* Driver calls and probes fail so, until it is TD_OK again. */
void bed_fail(enum td_rc rc);

/* ---- a client that sees every byte ---- */

#define REPLY_MAX 65536
struct reply_text {
	int status;	/* 0: the connection ended without an answer */
	size_t body_at; /* offset of the body in text */
	char text[REPLY_MAX];
};

int client_connect(const struct bed *bed);
void client_send(int fd, const char *text);
/* One answer, whole. Fails the test when none comes in ms. */
void client_read(int fd, struct reply_text *ret, int ms);
/* The head of an answer and not a byte more. */
void client_read_head(int fd, struct reply_text *ret, int ms);
/* Method, path, header lines ("Name: value\r\n"...) and body; token NULL: none. */
struct request {
	const char *method, *path, *token, *headers, *body;
};
void client_ask(int fd, const struct request *q);
/* All that on a new connection; the status. */
int ask(const struct bed *bed, const struct request *q, struct reply_text *ret);
/* Text of a member "name":"..." in a body; fails the test when it is not there. */
void member_text(const struct reply_text *r, const char *name, char *out, size_t size);
/* Fails the test unless the answer has this status and, from 400 on, this code. */
void expect_code(const struct reply_text *r, int status, const char *code);
/* True when the peer has closed within ms. */
bool client_closed(int fd, int ms);

/* A tenant that is asked for and may take its time (see bed_hold). */
void begin_tenant(const struct bed *bed, const char *appid);
/* A tenant that is Created, and a token of that role for it. */
void make_tenant(const struct bed *bed, const char *appid);
void make_token(const struct bed *bed, const char *role, const char *appid, char out[48]);
