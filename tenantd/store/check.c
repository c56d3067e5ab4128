/*
 * The look at an LMDB file before LMDB sees it. LMDB maps the file and follows the page
 * numbers of its newest meta page without a check: a number beyond the end of the file is
 * a SIGBUS in the middle of the start. So the two meta pages are read with pread(2) first
 * and everything in them that could lead outside is compared with the file's size.
 *
 * Layout of a meta page (lmdb 0.9, 64 bit): page header of 16 bytes (number, pad, flags,
 * bounds), then magic, version, address, map size, two struct MDB_db of 48 bytes (the first
 * word of the free list's is the page size), last page, transaction.
 */
#include "env.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define META_MAGIC 0xBEEFC0DEu
#define META_VERSION 1
#define PAGE_BRANCH 0x01
#define PAGE_LEAF 0x02
#define PAGE_META 0x08
#define PAGE_HEADER 16
#define META_BYTES 152
#define NO_PAGE UINT64_MAX
/* Of the tree of free pages, whose flags also keep some of the environment's: integer keys
 * (0x08), and no fixed address (0x01) that mmap(2) would be told. */
#define FREE_FLAGS 0x08
#define FREE_MASK 0x09
#define DEPTH_MAX 32

struct tree {
	uint16_t flags, depth;
	uint64_t root;
};

struct meta {
	uint64_t number;
	uint16_t flags;
	uint32_t magic, version, page_bytes;
	struct tree trees[2];
	uint64_t last_page, txn;
};

static enum td_rc
damaged(const char *path, struct td_err *reterr, const char *what)
{
	return td_err_set(reterr, TD_CORRUPT,
			  "%s: %s; restore the state folder from a backup", path, what);
}

static struct tree
read_tree(struct td_cur *c)
{
	struct tree t;

	(void)td_cur_u32(c); /* pad */
	t.flags = td_cur_u16(c);
	t.depth = td_cur_u16(c);
	(void)td_cur_bytes(c, 4 * sizeof(uint64_t)); /* page and entry counts */
	t.root = td_cur_u64(c);
	return t;
}

/* LMDB stores in the order of the machine; so does this program run on one. */
static enum td_rc
read_meta(int fd, const char *path, off_t at, struct meta *ret_meta,
	  struct td_err *reterr)
{
	unsigned char raw[META_BYTES];
	ssize_t n = pread(fd, raw, sizeof(raw), at);
	struct td_cur c;

	if (n < 0)
		return td_err_sys(reterr, TD_IO, errno, "%s", path);
	if ((size_t)n < sizeof(raw))
		return damaged(path, reterr, "the file ends within its meta pages");
	c = td_cur_make(raw, sizeof(raw));
	ret_meta->number = td_cur_u64(&c);
	(void)td_cur_u16(&c);
	ret_meta->flags = td_cur_u16(&c);
	(void)td_cur_u32(&c);
	ret_meta->magic = td_cur_u32(&c);
	ret_meta->version = td_cur_u32(&c);
	(void)td_cur_u64(&c); /* address */
	(void)td_cur_u64(&c); /* map size */
	struct td_cur pad = c;
	ret_meta->page_bytes = td_cur_u32(&pad);
	ret_meta->trees[0] = read_tree(&c);
	ret_meta->trees[1] = read_tree(&c);
	ret_meta->last_page = td_cur_u64(&c);
	ret_meta->txn = td_cur_u64(&c);
	return TD_OK;
}

static enum td_rc
check_root(int fd, const char *path, const struct meta *m, const struct tree *t,
	   struct td_err *reterr)
{
	unsigned char raw[PAGE_HEADER] = { 0 };
	struct td_cur c = td_cur_make(raw, sizeof(raw));

	if (t->root == NO_PAGE && t->depth == 0)
		return TD_OK;
	if (t->depth == 0 || t->depth > DEPTH_MAX || t->root < 2 ||
	    t->root > m->last_page)
		return damaged(path, reterr, "a meta page is damaged (root of a tree)");
	if (pread(fd, raw, sizeof(raw), (off_t)(t->root * m->page_bytes)) !=
	    (ssize_t)sizeof(raw))
		return damaged(path, reterr, "the root page of a tree cannot be read");
	uint64_t number = td_cur_u64(&c);
	(void)td_cur_u16(&c);
	uint16_t flags = td_cur_u16(&c);
	if (number != t->root || (flags & (PAGE_BRANCH | PAGE_LEAF)) == 0)
		return damaged(path, reterr, "the root page of a tree is damaged");
	return TD_OK;
}

static enum td_rc
check_meta(const char *path, const struct meta *m, unsigned index, uint64_t file_bytes,
	   struct td_err *reterr)
{
	uint32_t p = m->page_bytes;

	if (m->magic != META_MAGIC || m->flags != PAGE_META || m->number != index)
		return damaged(path, reterr,
			       index == 0 ? "meta page 0 is damaged"
					  : "meta page 1 is damaged");
	if (m->version != META_VERSION)
		return td_err_set(reterr, TD_INVALID,
				  "%s: format %" PRIu32 " of LMDB; this program reads %d",
				  path, m->version, META_VERSION);
	if (p < 512 || p > 65536 || (p & (p - 1)) != 0 || m->last_page < 1 ||
	    m->last_page > UINT64_MAX / 65536 - 1 ||
	    (m->txn != 0 && (m->txn & 1) != index) ||
	    (m->trees[0].flags & FREE_MASK) != FREE_FLAGS || m->trees[1].flags != 0)
		return damaged(path, reterr,
			       "a meta page is damaged (impossible numbers)");
	if ((m->last_page + 1) * p > file_bytes)
		return td_err_set(
			reterr, TD_CORRUPT,
			"%s: %" PRIu64 " bytes, but its meta page speaks of %" PRIu64
			": the file was cut; restore the state folder from a backup",
			path, file_bytes, (m->last_page + 1) * p);
	return TD_OK;
}

static enum td_rc
check_fd(int fd, const char *path, struct td_err *reterr)
{
	struct meta metas[2];
	const struct meta *newest;
	struct stat st;
	enum td_rc rc;

	if (fstat(fd, &st) != 0)
		return td_err_sys(reterr, TD_IO, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return td_err_set(reterr, TD_INVALID, "%s: not a regular file", path);
	if (st.st_size == 0)
		return TD_OK;
	uint64_t size = (uint64_t)st.st_size;
	rc = read_meta(fd, path, 0, &metas[0], reterr);
	if (rc == TD_OK)
		rc = check_meta(path, &metas[0], 0, size, reterr);
	if (rc == TD_OK)
		rc = read_meta(fd, path, (off_t)metas[0].page_bytes, &metas[1], reterr);
	if (rc == TD_OK)
		rc = check_meta(path, &metas[1], 1, size, reterr);
	if (rc != TD_OK)
		return rc;
	if (metas[0].page_bytes != metas[1].page_bytes)
		return damaged(path, reterr, "the meta pages differ in page size");
	/* Every commit writes one of the two in turn. */
	if (metas[0].txn > metas[1].txn + 1 || metas[1].txn > metas[0].txn + 1)
		return damaged(path, reterr, "the meta pages do not follow each other");
	newest = metas[1].txn > metas[0].txn ? &metas[1] : &metas[0];
	for (unsigned i = 0; i < 2; i++) {
		rc = check_root(fd, path, newest, &newest->trees[i], reterr);
		if (rc != TD_OK)
			return rc;
	}
	return TD_OK;
}

enum td_rc
env_check_file(const char *path, struct td_err *reterr)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	enum td_rc rc;

	if (fd < 0)
		return errno == ENOENT ? TD_OK
				       : td_err_sys(reterr, TD_IO, errno, "%s", path);
	rc = check_fd(fd, path, reterr);
	close(fd);
	return rc;
}
