/* Every reader of S3 and STS answers on the same input; whatever one accepts must hold
 * what its header promises. */
#include "minio/listing.h"
#include "minio/xml.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_page(const struct s3_page *page)
{
	if (page->count > S3_PAGE_MAX)
		abort();
	for (size_t i = 0; i < page->count; i++) {
		size_t len = strlen(page->entries[i].key);

		if (len == 0 || len > S3_KEY_MAX ||
		    strlen(page->entries[i].id) > S3_ID_MAX)
			abort();
	}
	if (page->truncated && !page->next_key[0] && !page->next_id[0])
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum s3_list lists[] = { S3_LIST_OBJECTS, S3_LIST_VERSIONS,
					      S3_LIST_UPLOADS };
	static struct s3_tag tags[S3_TAGS_MAX];
	static struct sts_text sts;
	struct s3_deleted deleted;
	enum xml_event event;
	size_t count = 0;
	struct xml x;

	xml_init(&x, data, size);
	do {
		event = xml_next(&x);
	} while (event != XML_DONE && event != XML_BAD);
	if (xml_next(&x) != event)
		abort();

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct s3_page page;

		if (s3_page_parse(lists[i], data, size, &page, NULL) != TD_OK)
			continue;
		check_page(&page);
		s3_page_done(&page);
	}
	if (s3_tags_parse(data, size, tags, S3_TAGS_MAX, &count, NULL) == TD_OK &&
	    count > S3_TAGS_MAX)
		abort();
	if (s3_deleted_parse(data, size, &deleted, NULL) == TD_OK &&
	    strlen(deleted.first_code) >= sizeof(deleted.first_code))
		abort();
	if (sts_parse(data, size, &sts, NULL) == TD_OK &&
	    (!sts.access_key[0] || event != XML_DONE))
		abort();
	return 0;
}
