/*
 * Is a loop alive? A watcher asks, and the loop answers when it comes round. A loop that
 * hangs in a lock, in a call or in an endless search does not, whatever other threads do;
 * so what is judged is the loop's own work and not a timer beside it.
 *
 * A watcher has to wake a loop that may sleep long after each question, also after one that
 * is still open: a wake-up may come just before the loop goes to sleep.
 *
 * Thread rule: td_pulse_ask and td_pulse_open by one watcher; td_pulse_answer by any thread.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Embedded in what the loop owns; zeroed is ready. */
struct td_pulse {
	atomic_uint_fast64_t asked, answered;
	int64_t since_mono; /* the watcher's: of the last question */
};

/* Whether the last question still waits for its answer. */
bool td_pulse_open(const struct td_pulse *p);
/* Asks, unless a question is open. How many milliseconds it has been open at now_mono: 0
 * when it was asked just now. */
int64_t td_pulse_ask(struct td_pulse *p, int64_t now_mono);
/* The loop has come round: answers what was asked before. */
void td_pulse_answer(struct td_pulse *p);
