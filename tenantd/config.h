/*
 * The configuration file of tenantd: its schema is one table (config.c), from which the
 * parser, --print-config and the manual come.
 *
 * Thread rule: plain values; loaded and freed by the main thread.
 */
#pragma once

#include "base/yaml.h"

struct config_listener {
	char *name;
	char *address; /* "127.0.0.1:8460", "[::1]:0", "unix:/path" */
	struct td_yaml_strings routes;
	char *tls_certificate_file;
	char *tls_key_file;
	char *tls_client_ca_file;
	char *mode; /* of a unix socket, octal */
};

struct config_region {
	char *name;
	struct td_yaml_strings minio_endpoints;
	char *minio_access_key_file;
	char *minio_secret_key_file;
	char *minio_next_access_key_file;
	char *minio_next_secret_key_file;
	char *minio_region;
	char *minio_ca_file;
	char *gateway_internal;
	char *gateway_external;
	char *gateway_deny_map_file;
	char *gateway_pid_file;
	char *mongodb_uri;
	char *mongodb_username_file;
	char *mongodb_password_file;
	char *mongodb_next_username_file;
	char *mongodb_next_password_file;
	char *mongodb_ca_file;
	struct td_yaml_strings mongodb_public_hosts;
	int volume_driver; /* index of config_volume_drivers */
};

struct config {
	char *state_dir;
	char *master_key_file;
	char *plans_dir;
	char *policies_dir;
	char *default_region;
	char *trace_file;
	struct td_yaml_strings reserved;
	int log_level; /* enum td_log_level */
	uint64_t store_map_bytes;
	uint64_t store_max_bytes;
	uint64_t store_reserve_bytes;
	uint64_t store_ballast_bytes;
	uint64_t api_threads;
	uint64_t api_max_connections;
	uint64_t api_max_connections_per_ip;
	uint64_t api_header_bytes;
	int64_t api_header_timeout;
	int64_t api_body_timeout;
	int64_t api_idle_timeout;
	int audit_reads; /* enum api_audit_reads */
	int64_t audit_keep;
	uint64_t audit_max_bytes;
	uint64_t audit_spool_bytes;
	int64_t audit_drain;
	int64_t clock_settle;
	uint64_t engine_budget;
	int64_t engine_call_timeout;
	int64_t engine_backoff_min;
	int64_t engine_backoff_max;
	int64_t engine_delete_grace;
	int64_t engine_verify_interval;
	uint64_t gate_close_per_hour, gate_remove_per_hour, gate_bucket_per_hour;
	int64_t credentials_refresh;
	struct td_yaml_list listeners; /* struct config_listener */
	struct td_yaml_list regions;   /* struct config_region */
};

extern const struct td_yaml_schema config_schema;

/*
 * Read and check a file: the schema, and what it cannot say (names unique, the default
 * region exists, a TLS certificate has its key). Prints nothing; all complaints are in
 * *report. Free with config_free.
 */
enum td_rc config_load(const char *path, struct config *ret_config,
		       struct td_yaml_report *report,
		       struct td_err *reterr) TD_MUST_CHECK;
void config_free(struct config *c);

/* The API's route bits of a listener. */
unsigned config_routes(const struct config_listener *l);
/* "host:port,host:port" of a region's MongoDB as pods are told, into out; and the replica
 * set and tls of its URI. */
void config_mongodb_hosts(const struct config_region *r, struct td_buf *out);
void config_mongodb_replica_set(const struct config_region *r, struct td_buf *out);
bool config_mongodb_tls(const struct config_region *r);
/* Splits "host:port" or "[v6]:port" in place of a copy: host into out, port given back;
 * -1 when malformed. */
int config_split_address(const char *address, char *host, size_t size);
