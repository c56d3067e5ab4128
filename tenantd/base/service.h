/*
 * Words to the service manager (systemd's notification socket). Without one, nothing
 * happens: a daemon started by hand works the same.
 *
 * Thread rule: any thread; main alone does it.
 */
#pragma once

#include "env.h"

/* Everything is set up; status is a line for `systemctl status`, at most 200 bytes of it. */
void td_service_ready(const char *status);
/* Another such line. */
void td_service_status(const char *status);
/* A reload begins; td_service_ready ends it. */
void td_service_reloading(const struct td_env *env);
/* The end begins. */
void td_service_stopping(void);
/* Still alive; for WatchdogSec=. */
void td_service_alive(void);
/* Within how many milliseconds the manager wants to hear td_service_alive(); 0: it does not
 * watch. */
int64_t td_service_watchdog_ms(void);
