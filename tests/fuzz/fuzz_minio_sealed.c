/*
 * Sealed payloads. The first byte chooses: 0, the rest is read as a message (of the cheap
 * algorithm: Argon2 would make a thousand tries take minutes); otherwise the rest is
 * sealed, one byte of the message is changed at a place that the input says, and it must
 * be refused.
 */
#include "minio/sealed.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_any(const struct td_secret *password, const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 1);
	struct td_buf out;

	if (!copy)
		return;
	memcpy(copy, data, size);
	if (size > SEALED_SALT_LEN && copy[SEALED_SALT_LEN] < SEALED_PBKDF2_AES)
		copy[SEALED_SALT_LEN] = SEALED_PBKDF2_AES;
	td_buf_init_secret(&out, 1 << 20);
	if (sealed_read(password, (struct td_bytes){ copy, size }, &out, NULL) != TD_OK &&
	    out.len != 0)
		abort();
	td_buf_done(&out);
	free(copy);
}

static void
change_one(const struct td_secret *password, const uint8_t *data, size_t size)
{
	struct sealed_params params = { .alg = SEALED_PBKDF2_AES };
	struct td_buf sealed, out;
	size_t at;

	td_buf_init(&sealed, 1 << 20);
	td_buf_init_secret(&out, 1 << 20);
	if (sealed_write_with(&params, password, (struct td_bytes){ data, size }, &sealed,
			      NULL) != TD_OK)
		abort();
	if (sealed_read(password, (struct td_bytes){ sealed.data, sealed.len }, &out,
			NULL) != TD_OK ||
	    out.len != size || (size > 0 && memcmp(out.data, data, size) != 0))
		abort();
	td_buf_reset(&out);
	at = size > 2 ? (data[0] | (size_t)data[1] << 8) % sealed.len : 0;
	/* Another algorithm id would be another (slow) key, not a changed message. */
	if (at == SEALED_SALT_LEN)
		at++;
	sealed.data[at] ^= 0x40;
	if (sealed_read(password, (struct td_bytes){ sealed.data, sealed.len }, &out,
			NULL) == TD_OK ||
	    out.len != 0)
		abort();
	td_buf_done(&sealed);
	td_buf_done(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct td_secret *password;

	if (!password)
		password = td_secret_new("minioadmin", 10);
	if (size == 0 || size > 100000)
		return 0;
	if (data[0] == 0)
		read_any(password, data + 1, size - 1);
	else
		change_one(password, data + 1, size - 1);
	return 0;
}
