/*
 * What is audited. The numbers are stored: append, never reorder, never reuse.
 */
#pragma once

/* X(NAME, number, text on the wire) */
#define API_AUDIT_TABLE(X)                                                               \
	X(TENANT_PUT, 1, "tenant.put")                                                   \
	X(TENANT_DELETE, 2, "tenant.delete")                                             \
	X(TENANT_UNDELETE, 3, "tenant.undelete")                                         \
	X(TENANT_SUSPEND, 4, "tenant.suspend")                                           \
	X(TENANT_RESUME, 5, "tenant.resume")                                             \
	X(BUCKET_PUT, 6, "bucket.put")                                                   \
	X(BUCKET_DELETE, 7, "bucket.delete")                                             \
	X(TOKEN_CREATE, 8, "token.create")                                               \
	X(TOKEN_DELETE, 9, "token.delete")                                               \
	X(CREDENTIALS_READ, 10, "credentials.read")                                      \
	/* aggregated: `count` polls of one token that found nothing new */              \
	X(CREDENTIALS_UNCHANGED, 11, "credentials.unchanged")                            \
	/* aggregated and lossy: refused logins of one address */                        \
	X(LOGIN_REFUSED, 12, "login.refused")                                            \
	X(ADMIN_TOKEN, 13, "token.first_admin")                                          \
	/* by the daemon: expired API_TOKEN_KEEP_MS ago */                               \
	X(TOKEN_PRUNE, 14, "token.prune")                                                \
	X(MODE_SET, 15, "mode.set")                                                      \
	X(APPROVE, 16, "gate.approve")                                                   \
	/* by the daemon: its time was over */                                           \
	X(MODE_EXPIRE, 17, "mode.expire")

enum api_audit_action {
#define API_AUDIT_ENUM(name, number, text) API_AUDIT_##name = number,
	API_AUDIT_TABLE(API_AUDIT_ENUM)
#undef API_AUDIT_ENUM
};

/* "tenant.put"; "unknown" for another number. */
const char *api_audit_text(unsigned action);
