/* A pool of threads that work on whatever job is open.
 *
 * The caller of a job works too, and at its end waits only for threads inside a task: a thread
 * that the system has not scheduled yet delays nobody, as it would at a barrier.
 */
#ifndef FASTRIDGE_POOL_H
#define FASTRIDGE_POOL_H

#include <stddef.h>

/* Run task(context, i) for i in i0 .. i1 - 1 on up to n_threads threads, including this one. */
void fr_pool_run(void (*task)(void *, ptrdiff_t), void *context, ptrdiff_t i0, ptrdiff_t i1,
                 int n_threads);

/* Return whether this build has threads. */
int fr_pool_exists(void);

#endif
