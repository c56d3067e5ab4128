/*
 * Runs every file of a corpus folder through a fuzz target once, so that the corpus is a
 * regression test under any compiler and sanitizer. An empty or missing folder fails: a
 * target without a corpus proves nothing.
 *
 * usage: fuzz_NAME FOLDER|FILE...
 */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_FILE (16 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned inputs;

/* An exact copy on the heap, so that a read past the end is seen by the sanitizer. */
static int
run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	uint8_t *data;

	if (f == NULL || fstat(fileno(f), &st) != 0 || st.st_size > MAX_FILE) {
		perror(path);
		if (f != NULL)
			fclose(f);
		return 1;
	}
	size_t size = (size_t)st.st_size;
	data = malloc(size == 0 ? 1 : size);
	if (data == NULL || fread(data, 1, size, f) != size) {
		fprintf(stderr, "%s: cannot be read\n", path);
		free(data);
		fclose(f);
		return 1;
	}
	fclose(f);
	/* Named first: a crash then says which input it was. */
	printf("%s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	inputs++;
	return 0;
}

static int
run_folder(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	int bad = 0;

	if (dir == NULL) {
		perror(path);
		return 1;
	}
	while ((e = readdir(dir)) != NULL) {
		char file[PATH_MAX];
		int n = snprintf(file, sizeof(file), "%s/%s", path, e->d_name);

		if (e->d_name[0] == '.')
			continue;
		bad |= n < 0 || (size_t)n >= sizeof(file) || run_file(file) != 0;
	}
	closedir(dir);
	return bad;
}

int
main(int argc, char **argv)
{
	int bad = 0;

	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode))
			bad |= run_folder(argv[i]);
		else
			bad |= run_file(argv[i]);
	}
	printf("%u inputs\n", inputs);
	if (inputs == 0)
		fprintf(stderr, "no inputs: give a corpus folder\n");
	return bad != 0 || inputs == 0;
}
