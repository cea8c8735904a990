/* Independent tasks on threads, with a look for interrupts between batches of them. */
#ifndef FASTRIDGE_PARALLEL_H
#define FASTRIDGE_PARALLEL_H

#include <stddef.h>

#define FR_INTERRUPTED (-1) /* a Python exception is set */
#define FR_NO_MEMORY (-2)

typedef void (*fr_task)(void *context, ptrdiff_t i);

/* Run task(context, 0 .. n_tasks - 1); 0, or FR_INTERRUPTED with the rest left undone. Tasks
 * write to separate places, so that results do not depend on the number of threads. */
int fr_parallel(fr_task task, void *context, ptrdiff_t n_tasks, int n_threads);

/* Set n elements to 0 on several threads: the first touch of pages is slow. */
int fr_zero(double *x, ptrdiff_t n, int n_threads);

/* Call between pieces of a long sequence: checks for an interrupt if 0.1 s have passed since
 * this thread last did; FR_INTERRUPTED, or 0. */
int fr_poll(void);

/* Called once, when the module is loaded: how to check for interrupts, and the handler for
 * forks. */
void fr_parallel_setup(int (*check_interrupt)(void));

/* Work, in elements read from memory, below which one thread is used; FR_CACHED operations in
 * registers and caches count as one. */
#define FR_CACHED 16
void fr_set_serial_below(double work);
double fr_get_serial_below(void);
int fr_threads_for(double work, int n_threads);

int fr_after_fork(void);

#endif
