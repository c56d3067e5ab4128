/*
 * Words to the service manager (systemd's notification socket). Without one, nothing
 * happens: a daemon started by hand works the same.
 *
 * Thread rule: any thread; main alone does it.
 */
#pragma once

#include "env.h"

/* Everything is set up; status is a line for `systemctl status`. */
void td_service_ready(const char *status);
/* A reload begins; td_service_ready ends it. */
void td_service_reloading(const struct td_env *env);
/* The end begins. */
void td_service_stopping(void);
/* Still alive; for WatchdogSec=. */
void td_service_alive(void);
