/*
 * The verbs of the driver, each as one converging pass over one tenant: read what is
 * there, decide whose it is, do what is missing. A pass that was broken off anywhere is
 * simply run again; driver.c does that.
 *
 * Thread rule: any thread, on its own struct mongo_tenant.
 */
#pragma once

#include "mongo/users.h"

struct mongo_tenant {
	struct mongo_op op;
	const struct drv_call *call;
	struct drv_result *res;
	struct mongo_rights rights; /* of call->access; of nothing when that is NONE */
	bool made_role;		    /* by this call, in whatever pass */
	/* Why the pass failed; in res->reason if no later pass succeeds. */
	char fail_reason[DRV_REASON_SIZE];
};

/* Drift: the first one told stays. */
void mongo_drift(struct mongo_tenant *t, const char *reason, const char *fmt, ...)
	TD_PRINTF(3, 4);
/* Fail the pass; the text is for people, so it stands in the detail and the message. */
enum td_rc mongo_fail(struct mongo_tenant *t, struct td_err *reterr, enum td_rc rc,
		      const char *reason, const char *fmt, ...) TD_PRINTF(5, 6);

/*
 * Whose it is: sets res->presence, and reason and message where that is DRV_FOREIGN. A
 * claimed tenant is OURS, or ABSENT when nothing at all is there. TD_OK: it is known.
 */
enum td_rc mongo_owner(struct mongo_tenant *t, const struct mongo_state *state,
		       struct td_err *reterr) TD_MUST_CHECK;
/* The same for a verb that changes: TD_FOREIGN unless it may. */
enum td_rc mongo_owner_may_change(struct mongo_tenant *t, const struct mongo_state *state,
				  struct td_err *reterr) TD_MUST_CHECK;

/* Tell of users and roles that are not ours. */
void mongo_note_foreign(struct mongo_tenant *t, const struct mongo_state *state);
/* Is it in one of the call's slots, or does it bear our mark? */
bool mongo_user_is_ours(const struct mongo_tenant *t, const struct mongo_user *user);

/* Does the login of that slot work at the primary, and does it then have MONGO_ROLE and
 * nothing else? */
enum mongo_slot_login { MONGO_SLOT_WORKS, MONGO_SLOT_OTHER_ROLES, MONGO_SLOT_REFUSED };
enum td_rc mongo_slot_login(struct mongo_tenant *t, const struct drv_slot *slot,
			    enum mongo_slot_login *ret_login,
			    struct td_err *reterr) TD_MUST_CHECK;

/*
 * The slots' logins are refused while our own works before and after, and their users are
 * not there. TD_CONFLICT, reason NotDead: one of them lives. A slot without a secret is
 * only looked up.
 */
enum td_rc mongo_prove_dead(struct mongo_tenant *t, const struct drv_slot *const *slots,
			    size_t count, struct td_err *reterr) TD_MUST_CHECK;

enum td_rc mongo_pass_observe(struct mongo_tenant *t,
			      struct td_err *reterr) TD_MUST_CHECK;
enum td_rc mongo_pass_ensure(struct mongo_tenant *t, struct td_err *reterr) TD_MUST_CHECK;
enum td_rc mongo_pass_remove(struct mongo_tenant *t, struct td_err *reterr) TD_MUST_CHECK;

/* Parts of the cut-off that ensure and remove share. */
#define MONGO_NAMES_MAX (MONGO_USERS_SEEN + DRV_SLOT_COUNT)
/*
 * Empty the tenant's role, take all other roles from those users, end their work, drop
 * them. names: of users, which need not be there.
 */
enum td_rc mongo_cut(struct mongo_tenant *t, const struct mongo_state *state,
		     const char *const *names, size_t count,
		     struct td_err *reterr) TD_MUST_CHECK;
