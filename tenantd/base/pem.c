/*
 * OpenSSL reads one certificate after the other and tells the end of the text by an error,
 * which must be told from the other errors.
 */
#include "pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <time.h>

enum td_rc
td_pem_not_after(const char *pem, int64_t *ret_seconds, struct td_err *reterr)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	int64_t first = INT64_MAX;
	bool good = bio != NULL;
	X509 *cert;

	ERR_clear_error();
	while (good && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		struct tm tm;

		good = ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) == 1;
		if (good && timegm(&tm) < first)
			first = timegm(&tm);
		X509_free(cert);
	}
	good = good && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	ERR_clear_error();
	BIO_free(bio);
	if (!good || first == INT64_MAX)
		return td_err_set(reterr, TD_INVALID, "not a PEM certificate");
	*ret_seconds = first;
	return TD_OK;
}
