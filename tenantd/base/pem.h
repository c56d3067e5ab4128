/*
 * Certificates as people hand them over.
 *
 * Thread rule: any thread.
 */
#pragma once

#include "error.h"

#include <stdint.h>

/*
 * When the first of the certificates in a PEM text ends, seconds since 1970: who checks the
 * chain refuses all of it from then on. TD_INVALID: there is none, or one that cannot be
 * read.
 */
enum td_rc td_pem_not_after(const char *pem, int64_t *ret_seconds,
			    struct td_err *reterr) TD_MUST_CHECK;
