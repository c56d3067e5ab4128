/*
 * Folder listing. readdir(3) gives names in the order of the file system, which differs
 * between two machines with the same files: whatever is loaded from a folder is sorted,
 * so that the first complaint is the same one everywhere.
 */
#include "dir.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool
wanted(const char *name, const char *suffix)
{
	size_t len = strlen(name);
	size_t tail = strlen(suffix);

	return name[0] != '.' && len > tail && strcmp(name + len - tail, suffix) == 0;
}

static bool
push(struct td_names *names, const char *name)
{
	/* Doubling at each power of two keeps the capacity out of the struct. */
	if ((names->count & (names->count - 1)) == 0) {
		size_t cap = names->count == 0 ? 1 : 2 * names->count;
		char **grown = realloc(names->items, cap * sizeof(*grown));

		if (grown == NULL)
			return false;
		names->items = grown;
	}
	char *copy = strdup(name);

	if (copy == NULL)
		return false;
	names->items[names->count++] = copy;
	return true;
}

enum td_rc
td_dir_names(const char *dir, const char *suffix, struct td_names *ret_names,
	     struct td_err *reterr)
{
	struct td_names names = { 0 };
	DIR *handle = opendir(dir);
	enum td_rc rc = TD_OK;

	if (handle == NULL)
		return td_err_sys(reterr, errno == ENOMEM ? TD_NOMEM : TD_IO, errno,
				  "%s: cannot be opened", dir);
	while (rc == TD_OK) {
		struct dirent *entry;

		errno = 0;
		entry = readdir(handle);
		if (entry == NULL) {
			if (errno != 0)
				rc = td_err_sys(reterr, TD_IO, errno,
						"%s: cannot be read", dir);
			break;
		}
		if (wanted(entry->d_name, suffix) && !push(&names, entry->d_name))
			rc = td_err_set(reterr, TD_NOMEM, "%s: out of memory", dir);
	}
	closedir(handle);
	if (rc != TD_OK) {
		td_names_done(&names);
		return rc;
	}
	if (names.count > 1)
		qsort(names.items, names.count, sizeof(*names.items), compare);
	*ret_names = names;
	return TD_OK;
}

void
td_names_done(struct td_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->items[i]);
	free(names->items);
	*names = (struct td_names){ 0 };
}
