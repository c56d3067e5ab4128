/*
 * tenantctl status.
 */
#include "internal.h"

enum ctl_exit
cmd_status(struct ctl *c)
{
	(void)c;
	return CTL_ERROR;
}
