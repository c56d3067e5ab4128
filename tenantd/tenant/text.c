/*
 * The words of the wire for the enums of a tenant.
 */
#include "tenant.h"

#include <string.h>

static const char *const phases[] = {
	[REC_CREATING] = "Creating",   [REC_CREATED] = "Created",
	[REC_SUSPENDED] = "Suspended", [REC_DELETING] = "Deleting",
	[REC_DELETED] = "Deleted",
};
static const char *const modes[] = {
	[DRV_BUCKET_PRIVATE] = "private",
	[DRV_BUCKET_READONLY] = "readonly",
	[DRV_BUCKET_READWRITE] = "readwrite",
};
static const char *const resources[DRV_RESOURCE_COUNT] = {
	[DRV_OBJECT] = "object",
	[DRV_DATABASE] = "database",
	[DRV_VOLUME] = "volume",
};
static const char *const conditions[REC_COND_COUNT] = {
	[REC_COND_READY] = "Ready",	[REC_COND_FENCED] = "Fenced",
	[REC_COND_DRIFTED] = "Drifted", [REC_COND_UNREACHABLE] = "Unreachable",
	[REC_COND_FOREIGN] = "Foreign",
};
static const char *const brakes[] = {
	[REC_MANAGE] = "manage",
	[REC_OBSERVE] = "observe",
	[REC_HOLD] = "hold",
};
static const char *const destructions[REC_DESTROY_COUNT] = {
	[REC_CLOSE] = "close",
	[REC_REMOVE] = "remove",
	[REC_REMOVE_BUCKET] = "remove-bucket",
};
#define WORD(table, i)                                                                   \
	((size_t)(i) < sizeof(table) / sizeof(*(table)) ? (table)[(size_t)(i)] : NULL)

const char *
tenant_phase_text(enum rec_phase p)
{
	return WORD(phases, p);
}

const char *
tenant_mode_text(enum drv_bucket_mode m)
{
	return WORD(modes, m);
}

bool
tenant_mode_parse(const char *text, enum drv_bucket_mode *ret_mode)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		if (strcmp(text, modes[i]) == 0) {
			*ret_mode = (enum drv_bucket_mode)i;
			return true;
		}
	}
	return false;
}

const char *
tenant_resource_text(enum drv_resource r)
{
	return WORD(resources, r);
}

const char *
tenant_condition_text(enum rec_condition c)
{
	return WORD(conditions, c);
}

const char *
tenant_brake_text(enum rec_mode m)
{
	return WORD(brakes, m);
}

bool
tenant_brake_parse(const char *text, enum rec_mode *ret_mode)
{
	for (size_t i = 0; i < sizeof(brakes) / sizeof(*brakes); i++) {
		if (strcmp(text, brakes[i]) == 0) {
			*ret_mode = (enum rec_mode)i;
			return true;
		}
	}
	return false;
}

const char *
tenant_destroy_text(enum rec_destroy d)
{
	return WORD(destructions, d);
}
