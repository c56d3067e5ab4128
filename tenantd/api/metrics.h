/*
 * Counters of one API thread. Written by that thread only, read by any: plain adds with
 * relaxed order. An appid is never a label: the number of series must not grow with tenants.
 */
#pragma once

#include "route.h"

#include <stdatomic.h>
#include <stdint.h>

#define METRICS_ROUTES 48 /* rows of the table, and one for "none" */
#define METRICS_STATUSES 32
#define METRICS_BUCKETS 12

struct metrics {
	atomic_ullong requests[METRICS_ROUTES][METRICS_STATUSES];
	atomic_ullong latency[METRICS_ROUTES][METRICS_BUCKETS + 1];
	atomic_ullong latency_sum_ms[METRICS_ROUTES];
	atomic_ullong refused_logins;
	atomic_ullong refused_connections;
	atomic_ullong cut_connections[4]; /* by enum conn_phase */
	atomic_ullong accepted;
	atomic_ullong audit_refused; /* reads answered 503 for want of an audit record */
	atomic_ullong audit_lost;    /* aggregated entries that found no place */
};

static inline void
metrics_add(atomic_ullong *counter, uint64_t n)
{
	atomic_store_explicit(counter,
			      atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

/* Count an answer. route: row of the table, api_route_count for none. */
void metrics_request(struct metrics *m, size_t route, unsigned status, int64_t took_ms);

struct api;
struct td_buf;
/* The whole page, Prometheus text format 0.0.4. */
void metrics_render(struct api *api, struct td_buf *b);
