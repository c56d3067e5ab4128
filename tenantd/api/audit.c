/*
 * Who did it, as an audit entry. What was done is filled in by the handler.
 */
#include "internal.h"

#include <string.h>

void
audit_fill(const struct req *r, enum api_audit_action action, struct rec_audit *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->time_ms = td_now_ms(r->t->api->env);
	ret->action = (uint8_t)action;
	ret->outcome = TD_OK;
	ret->role = (uint8_t)(r->token.role + 1U);
	ret->count = 1;
	memcpy(ret->token_id, r->token.id, sizeof(ret->token_id));
	if (r->conn != NULL)
		memcpy(ret->address, r->conn->address, sizeof(ret->address));
	memcpy(ret->request_id, r->id, sizeof(ret->request_id));
}
