/*
 * Stored records: the first byte chooses the codec (the order of records.h), the rest is the
 * record. Nothing crashes, and what is taken is encoded back to the same bytes.
 */
#include "store/records.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TRY(name)                                                                        \
	static void try_##name(const uint8_t *data, size_t size)                         \
	{                                                                                \
		struct rec_##name rec;                                                   \
		struct td_buf out;                                                       \
                                                                                         \
		if (rec_##name##_decode(data, size, &rec, NULL) != TD_OK)                \
			return;                                                          \
		td_buf_init(&out, 65536);                                                \
		rec_##name##_encode(&rec, &out);                                         \
		if (td_buf_rc(&out) != TD_OK || out.len != size ||                       \
		    memcmp(out.data, data, size) != 0)                                   \
			abort();                                                         \
		td_buf_done(&out);                                                       \
	}
TRY(tenant)
TRY(resource)
TRY(bucket)
TRY(slot)
TRY(intent)
TRY(datakey)
TRY(tombstone)
TRY(token)
TRY(cred_head)
TRY(cred)
TRY(audit)
TRY(brake)
TRY(budget)

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const codecs[])(const uint8_t *, size_t) = {
		try_tenant,  try_resource,  try_bucket, try_slot,      try_intent,
		try_datakey, try_tombstone, try_token,	try_cred_head, try_cred,
		try_audit,   try_brake,	    try_budget,
	};

	if (size > 0 && data[0] < sizeof(codecs) / sizeof(codecs[0]))
		codecs[data[0]](data + 1, size - 1);
	return 0;
}
