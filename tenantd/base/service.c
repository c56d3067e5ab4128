/*
 * Thin on purpose: libsystemd finds the socket and is silent when there is none. Its
 * results are ignored, since a daemon cannot do anything about a manager that is gone.
 */
#include "service.h"

#include <inttypes.h>
#include <systemd/sd-daemon.h>

void
td_service_ready(const char *status)
{
	sd_notifyf(0, "READY=1\nSTATUS=%.200s", status);
}

void
td_service_status(const char *status)
{
	sd_notifyf(0, "STATUS=%.200s", status);
}

void
td_service_reloading(const struct td_env *env)
{
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, td_mono_ms(env) * 1000);
}

void
td_service_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

void
td_service_alive(void)
{
	sd_notify(0, "WATCHDOG=1");
}

int64_t
td_service_watchdog_ms(void)
{
	uint64_t usec = 0;

	return sd_watchdog_enabled(0, &usec) > 0 ? (int64_t)(usec / 1000) : 0;
}
