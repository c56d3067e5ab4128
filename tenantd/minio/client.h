/*
 * Signed requests to a MinIO deployment of one or more members: which member, which
 * credential, how long, and whether to try again.
 *
 * Every request of tenantd is idempotent or is followed by a look at what is there, so all
 * are tried again when a member does not answer or asks for it (minio_fault_retryable),
 * with jitter, at the next member, until the deadline of the call.
 *
 * Thread rule: any number of threads may use one client.
 */
#pragma once

#include "minio/driver.h"
#include "minio/reply.h"
#include "minio/sigv4.h"

struct minio_client;

/* What a client is made of is the driver's business (minio/driver.h). Strings are copied,
 * env and trace are borrowed. TD_INVALID, TD_IO: as minio_driver_new. */
enum td_rc minio_client_new(const struct minio_driver_options *opt,
			    struct minio_client **ret,
			    struct td_err *reterr) TD_MUST_CHECK;
void minio_client_free(struct minio_client *c);
const struct td_env *minio_client_env(const struct minio_client *c);
size_t minio_client_members(const struct minio_client *c);

/* Takes what the credential files of `current` hold now, even if the key in use still works.
 * TD_INVALID or TD_IO: a file is unfit; the key in use stays. */
enum td_rc minio_client_reread(struct minio_client *c,
			       struct td_err *reterr) TD_MUST_CHECK;
/* Is this the access key that tenantd itself uses now? */
bool minio_client_is_self(struct minio_client *c, const char *access_key);

/* For whom and until when; passed down through a driver verb. */
struct minio_call {
	struct minio_client *client;
	int64_t deadline_mono_ms;
};
/* Milliseconds left, at least 0. */
int64_t minio_call_left(const struct minio_call *call);

#define MINIO_ANY_MEMBER (-1)
enum minio_form { MINIO_PLAIN, MINIO_SEALED };

struct minio_request {
	const char *what; /* for traces and errors: "add-user" */
	const char *method;
	const char *path; /* decoded */
	const struct sigv4_param *params;
	size_t param_count;
	const struct sigv4_header *headers; /* sent and signed */
	size_t header_count;
	const char *content_type; /* sent, not signed; NULL: none */
	struct td_bytes body;
	enum minio_form body_form;  /* sealed: given in clear here, sealed for each try */
	enum minio_form reply_form; /* sealed: an answer of 2xx is opened */
	enum sigv4_service service;
	const struct sigv4_key *as; /* NULL: tenantd's own credential */
	int member;		    /* its number, or MINIO_ANY_MEMBER */
	size_t reply_ceiling;	    /* 0: 1 MiB */
};

struct minio_answer {
	int status;
	struct td_buf body;	  /* wiped when done */
	struct minio_fault fault; /* of answers that are not 2xx */
};
void minio_answer_done(struct minio_answer *a);

/*
 * TD_OK: an answer came that is final, whatever its status; *ret is ended with
 * minio_answer_done. TD_BACKEND_AUTH: tenantd's own key is refused, also after reading its
 * files again. TD_UNAVAILABLE: a member answers, but "try later", until the tries were
 * used up. TD_UNREACHABLE, TD_TIMEOUT, TD_TOO_LARGE, TD_NOMEM, TD_INVALID, TD_CRYPTO.
 */
enum td_rc minio_client_do(const struct minio_call *call, const struct minio_request *req,
			   struct minio_answer *ret, struct td_err *reterr) TD_MUST_CHECK;

/* The same, and an answer that is not 2xx is an error (minio_fault_rc). ret may be NULL. */
enum td_rc minio_client_expect(const struct minio_call *call,
			       const struct minio_request *req, struct minio_answer *ret,
			       struct td_err *reterr) TD_MUST_CHECK;
