/* The runtime's functions, for modules that do not own it. */

#include "pool.h"
#include "runtime.h"

static const fr_runtime *shared = NULL;

void fr_attach(const fr_runtime *runtime) { shared = runtime; }

const fr_kernels *fr_active(void) { return shared->active(); }

int fr_parallel(fr_task task, void *context, ptrdiff_t n_tasks, int n_threads)
{
    return shared->parallel(task, context, n_tasks, n_threads);
}

int fr_poll(void) { return shared->poll(); }

double fr_get_serial_below(void) { return shared->serial_below(); }

int fr_after_fork(void) { return shared->after_fork(); }

int fr_threads_for(double work, int n_threads)
{
    return work < shared->serial_below() ? 1 : n_threads;
}

void fr_pool_run(fr_task task, void *context, ptrdiff_t i0, ptrdiff_t i1, int n_threads)
{
    shared->pool_run(task, context, i0, i1, n_threads);
}

int fr_num_threads(void) { return shared->num_threads(); }

int fr_ended(void) { return shared->ended(); }
