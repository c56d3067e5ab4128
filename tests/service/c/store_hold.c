/*
 * store_hold FILE: takes the write lock of an LMDB file that another process has open, says
 * so, and keeps it until its input ends. tests/service/test_service_manager.py makes the
 * store's writer hang with it.
 */
#include <lmdb.h>
#include <stdio.h>

int
main(int argc, char **argv)
{
	MDB_env *env = NULL;
	MDB_txn *txn;
	int m = argc == 2 ? mdb_env_create(&env) : MDB_INVALID;

	if (m == 0)
		m = mdb_env_open(env, argv[1], MDB_NOSUBDIR | MDB_NOTLS, 0600);
	if (m == 0)
		m = mdb_txn_begin(env, NULL, 0, &txn);
	if (m == 0) {
		(void)puts("held");
		(void)fflush(stdout);
		while (getchar() != EOF)
			continue;
		mdb_txn_abort(txn);
	} else {
		(void)fprintf(stderr, "store_hold: %s\n", mdb_strerror(m));
	}
	mdb_env_close(env);
	return m == 0 ? 0 : 1;
}
