/* When certificates end: base/pem.h. Both are self-signed, of keys that nobody kept. */
#include "base/pem.h"

#include "check.h"

#include <stdio.h>
#include <string.h>

#define FIRST_END INT64_C(2111294899)
#define LAST_END INT64_C(2573534899)

static const char FIRST[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIIBczCCARmgAwIBAgIUDzzFlPdRXGECzULp5vsW5kU9WpgwCgYIKoZIzj0EAwIw\n"
	"DzENMAsGA1UEAwwEdGVzdDAeFw0yNjExMjkwNjQ4MTlaFw0zNjExMjYwNjQ4MTla\n"
	"MA8xDTALBgNVBAMMBHRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARNbYFT\n"
	"IQYXI3g62PP0NCwPfPdDESVDhyv0cv2QsCk85Vg6Gsz6WPKfZVjlIX3ljpsUDNK4\n"
	"KosMRq1CIRJ0eKLoo1MwUTAdBgNVHQ4EFgQUdh0Oe5hYdlqP81CEoQZccb5Qj3kw\n"
	"HwYDVR0jBBgwFoAUdh0Oe5hYdlqP81CEoQZccb5Qj3kwDwYDVR0TAQH/BAUwAwEB\n"
	"/zAKBggqhkjOPQQDAgNIADBFAiEAqcONI/bZxgdZqM1p+seikw70agembLZSzSeo\n"
	"TcU4LyACIFMHRusUa1NuklJfZo8sLBdmskUkpkkrq0V/F6ATX98E\n"
	"-----END CERTIFICATE-----\n";
static const char LAST[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIIBdTCCARugAwIBAgIUdYfknd5fw6WW2L3s9R0fn6CdphIwCgYIKoZIzj0EAwIw\n"
	"DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjkwNjQ4MTlaGA8yMDUxMDcyMTA2NDgx\n"
	"OVowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABEGP\n"
	"y81qjHBLyGxEs4F/pB3qpz6i53dOXok6cPNUVI/QlauoQwRNbXoY0tuHzcvb2lae\n"
	"3mx0q4dikrqrFRYlu9+jUzBRMB0GA1UdDgQWBBRTWUwOoCpSN/Q/TCj2pCPHG2vM\n"
	"3DAfBgNVHSMEGDAWgBRTWUwOoCpSN/Q/TCj2pCPHG2vM3DAPBgNVHRMBAf8EBTAD\n"
	"AQH/MAoGCCqGSM49BAMCA0gAMEUCIQDwHGwjUGzMm1wWX3Xghkd7+y81RKAIxCKr\n"
	"WSKRFUQKVAIgbyQ/PRnfttT5JUb42CyuKfqxYNDgWXhluUjX+ngx5/8=\n"
	"-----END CERTIFICATE-----\n";

static void
the_end_of_a_chain_is_the_first_end_in_it(void **state)
{
	char chain[4096];
	int64_t end = 0;

	(void)state;
	assert_int_equal(td_pem_not_after(FIRST, &end, NULL), TD_OK);
	assert_int_equal(end, FIRST_END);
	assert_int_equal(td_pem_not_after(LAST, &end, NULL), TD_OK);
	assert_int_equal(end, LAST_END);
	(void)snprintf(chain, sizeof(chain), "%s%s", FIRST, LAST);
	assert_int_equal(td_pem_not_after(chain, &end, NULL), TD_OK);
	assert_int_equal(end, FIRST_END);
	(void)snprintf(chain, sizeof(chain), "CN=words before it\n%s\n%s", LAST, FIRST);
	assert_int_equal(td_pem_not_after(chain, &end, NULL), TD_OK);
	assert_int_equal(end, FIRST_END);
}

static void
what_is_no_certificate_is_refused(void **state)
{
	char cut[sizeof(FIRST) + sizeof(LAST)];
	struct td_err err = { 0 };
	int64_t end = 7;

	(void)state;
	assert_int_equal(td_pem_not_after("", &end, &err), TD_INVALID);
	assert_string_equal(err.detail, "not a PEM certificate");
	assert_int_equal(td_pem_not_after("hello", &end, NULL), TD_INVALID);
	/* A whole one and one that is cut off. */
	(void)snprintf(cut, sizeof(cut), "%s%s", FIRST, LAST);
	cut[strlen(cut) - 100] = '\0';
	assert_int_equal(td_pem_not_after(cut, &end, NULL), TD_INVALID);
	/* One letter is another. */
	memcpy(cut, FIRST, sizeof(FIRST));
	cut[40] = cut[40] == 'A' ? 'B' : 'A';
	assert_int_equal(td_pem_not_after(cut, &end, NULL), TD_INVALID);
	assert_int_equal(end, 7);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_end_of_a_chain_is_the_first_end_in_it),
		cmocka_unit_test(what_is_no_certificate_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
