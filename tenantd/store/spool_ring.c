/*
 * The file: a page of header, then the ring. An entry is
 *
 *   u64 commit word, u64 sequence, u32 length, u32 CRC-32C of the rest, bytes, padding to 8
 *
 * The commit word is stored last, with release order. It is a function of the sequence and
 * of a random key of the file, so what an earlier lap left at this place, or what somebody
 * chose as a part of an audit entry, is never taken for an entry: a missing word means "not
 * written", a right word over wrong bytes means damage. Words are 8 bytes at multiples of
 * 8, so no word is cut by the end of the ring; everything else may be.
 */
#include "spool_ring.h"

#include "crc32c.h"
#include "store.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER_BYTES 4096
#define ENTRY_HEADER 24
#define MAGIC "TDSPOOL1"
#define MAGIC_LEN 8

/* The bytes of the header that count: magic, ring size, id, CRC of these. */
#define HEADER_LEN (MAGIC_LEN + 8 + RING_ID_LEN)

static void
store_le(unsigned char *p, uint64_t v, size_t n)
{
	uint64_t le = htole64(v);

	memcpy(p, &le, n);
}

static uint64_t
load_le(const unsigned char *p, size_t n)
{
	uint64_t le = 0;

	memcpy(&le, p, n);
	return le64toh(le);
}

static void
make_header(unsigned char h[HEADER_LEN + 4], uint64_t size, const struct td_env *env)
{
	memcpy(h, MAGIC, MAGIC_LEN);
	store_le(h + MAGIC_LEN, size, 8);
	td_random(env, h + MAGIC_LEN + 8, RING_ID_LEN);
	store_le(h + HEADER_LEN, crc32c(0, h, HEADER_LEN), 4);
}

enum td_rc
ring_create(int dir_fd, const char *name, uint32_t bytes, const struct td_env *env,
	    struct td_err *reterr)
{
	unsigned char h[HEADER_LEN + 4];
	char new_name[64];
	int fd, n, rc;

	n = snprintf(new_name, sizeof(new_name), "%s.new", name);
	if (n < 0 || (size_t)n >= sizeof(new_name))
		return td_err_set(reterr, TD_INTERNAL, "the name of a spool is too long");
	make_header(h, (bytes - HEADER_BYTES) & ~7u, env);
	fd = openat(dir_fd, new_name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		    0600);
	if (fd < 0)
		return td_err_sys(reterr, TD_IO, errno, "%s", new_name);
	/* Blocks for all of it: a write to the map must never meet a full disk (SIGBUS). */
	rc = posix_fallocate(fd, 0, bytes);
	if (rc == 0 && pwrite(fd, h, sizeof(h), 0) != (ssize_t)sizeof(h))
		rc = errno != 0 ? errno : EIO;
	if (rc == 0 && fsync(fd) != 0)
		rc = errno;
	close(fd);
	if (rc == 0 &&
	    (renameat(dir_fd, new_name, dir_fd, name) != 0 || fsync(dir_fd) != 0))
		rc = errno;
	if (rc == 0)
		return TD_OK;
	(void)unlinkat(dir_fd, new_name, 0);
	return td_err_sys(reterr, rc == ENOSPC || rc == EDQUOT ? TD_STORE_FULL : TD_IO,
			  rc, "making the audit spool %s", name);
}

static bool
header_ok(const unsigned char *h, size_t file_bytes)
{
	uint64_t size = load_le(h + MAGIC_LEN, 8);

	return memcmp(h, MAGIC, MAGIC_LEN) == 0 &&
	       load_le(h + HEADER_LEN, 4) == crc32c(0, h, HEADER_LEN) && size % 8 == 0 &&
	       size >= 8 * STORE_VALUE_MAX && size <= file_bytes - HEADER_BYTES;
}

enum td_rc
ring_open(int dir_fd, const char *name, struct ring *ret_ring, struct td_err *reterr)
{
	int fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	void *map;

	if (fd < 0)
		return td_err_sys(reterr, errno == ENOENT ? TD_NOT_FOUND : TD_IO, errno,
				  "%s", name);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= HEADER_BYTES) {
		close(fd);
		return td_err_set(reterr, TD_CORRUPT, "%s is no audit spool", name);
	}
	map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return td_err_sys(reterr, TD_NOMEM, errno, "%s", name);
	*ret_ring = (struct ring){ .map = map, .map_bytes = (size_t)st.st_size };
	if (!header_ok(ret_ring->map, ret_ring->map_bytes)) {
		ring_close(ret_ring);
		return td_err_set(reterr, TD_CORRUPT, "the header of %s is damaged",
				  name);
	}
	ret_ring->size = load_le(ret_ring->map + MAGIC_LEN, 8);
	memcpy(ret_ring->id, ret_ring->map + MAGIC_LEN + 8, RING_ID_LEN);
	ret_ring->key = load_le(ret_ring->id + 8, 8);
	return TD_OK;
}

void
ring_close(struct ring *r)
{
	if (r->map != NULL)
		munmap(r->map, r->map_bytes);
	r->map = NULL;
}

void
ring_sync(struct ring *r)
{
	(void)msync(r->map, r->map_bytes, MS_SYNC);
}

uint64_t
ring_need(size_t len)
{
	return ENTRY_HEADER + ((uint64_t)len + 7) / 8 * 8;
}

static uint64_t
commit_word(const struct ring *r, uint64_t seq)
{
	return r->key + seq * 0x9e3779b97f4a7c15u;
}

static atomic_uint_fast64_t *
word_at(const struct ring *r, uint64_t offset)
{
	_Static_assert(sizeof(atomic_uint_fast64_t) == 8, "a commit word has 8 bytes");

	/* The map is aligned to a page, header and offsets are multiples of 8. */
	return (atomic_uint_fast64_t *)(void *)(r->map + HEADER_BYTES + offset % r->size);
}

static void
copy_in(struct ring *r, uint64_t offset, const void *data, size_t len)
{
	size_t at = (size_t)(offset % r->size);
	size_t first = len < r->size - at ? len : (size_t)(r->size - at);

	memcpy(r->map + HEADER_BYTES + at, data, first);
	if (len > first)
		memcpy(r->map + HEADER_BYTES, (const unsigned char *)data + first,
		       len - first);
}

static void
copy_out(const struct ring *r, uint64_t offset, void *data, size_t len)
{
	size_t at = (size_t)(offset % r->size);
	size_t first = len < r->size - at ? len : (size_t)(r->size - at);

	memcpy(data, r->map + HEADER_BYTES + at, first);
	if (len > first)
		memcpy((unsigned char *)data + first, r->map + HEADER_BYTES, len - first);
}

/* Sequence, length, CRC: what follows the commit word. */
static void
make_entry_header(unsigned char h[16], uint64_t seq, const void *entry, size_t len)
{
	store_le(h, seq, 8);
	store_le(h + 8, len, 4);
	store_le(h + 12, crc32c(crc32c(0, h, 12), entry, len), 4);
}

void
ring_write(struct ring *r, struct ring_pos *pos, const void *entry, size_t len)
{
	unsigned char h[ENTRY_HEADER - 8];

	make_entry_header(h, pos->seq, entry, len);
	copy_in(r, pos->offset + 8, h, sizeof(h));
	copy_in(r, pos->offset + ENTRY_HEADER, entry, len);
	atomic_store_explicit(word_at(r, pos->offset), commit_word(r, pos->seq),
			      memory_order_release);
	pos->offset += ring_need(len);
	pos->seq++;
}

enum ring_found
ring_read(const struct ring *r, struct ring_pos *pos, unsigned char *out, size_t *ret_len)
{
	unsigned char h[ENTRY_HEADER - 8], expected[ENTRY_HEADER - 8];
	uint64_t len;

	if (atomic_load_explicit(word_at(r, pos->offset), memory_order_acquire) !=
	    commit_word(r, pos->seq))
		return RING_END;
	copy_out(r, pos->offset + 8, h, sizeof(h));
	len = load_le(h + 8, 4);
	if (len < 1 || len > STORE_VALUE_MAX)
		return RING_DAMAGED;
	copy_out(r, pos->offset + ENTRY_HEADER, out, (size_t)len);
	make_entry_header(expected, pos->seq, out, (size_t)len);
	if (memcmp(h, expected, sizeof(h)) != 0)
		return RING_DAMAGED;
	pos->offset += ring_need((size_t)len);
	pos->seq++;
	*ret_len = (size_t)len;
	return RING_ENTRY;
}
