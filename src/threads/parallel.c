#include "parallel.h"

#include <time.h>

#include "compiler.h"
#include "pool.h"

#if !defined(_WIN32)
#include <pthread.h>
#endif

#if defined(_MSC_VER) && !defined(__clang__)
#define THREAD_LOCAL __declspec(thread)
#else
#define THREAD_LOCAL _Thread_local
#endif

static int (*interrupt)(void) = NULL;
static FR_ATOMIC(int) forked = 0;
static FR_ATOMIC(double) serial_below = 1 << 17; /* about 0.1 ms of streaming */

static double now(void)
{
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#if !defined(_WIN32)
/* Threads do not survive a fork: the child uses one. */
static void in_child(void) { forked = 1; }
#endif

void fr_parallel_setup(int (*check_interrupt)(void))
{
    if (!interrupt) {
#if !defined(_WIN32)
        pthread_atfork(NULL, NULL, in_child);
#endif
    }
    interrupt = check_interrupt;
}

int fr_after_fork(void) { return forked; }
void fr_set_serial_below(double work) { serial_below = work; }
double fr_get_serial_below(void) { return serial_below; }
int fr_threads_for(double work, int n_threads) { return work < serial_below ? 1 : n_threads; }

int fr_poll(void)
{
    static THREAD_LOCAL double looked = 0;
    const double t = now();
    if (t - looked <= 0.1 && t >= looked)
        return 0;
    looked = t;
    return interrupt && interrupt() ? FR_INTERRUPTED : 0;
}

int fr_parallel(fr_task task, void *context, ptrdiff_t n_tasks, int n_threads)
{
    if (forked)
        n_threads = 1;
    ptrdiff_t i = 0, batch = 4 * (ptrdiff_t)(n_threads > 1 ? n_threads : 1);
    if (n_tasks <= batch) {
        fr_pool_run(task, context, 0, n_tasks, n_threads);
        return 0;
    }
    double start = now();
    int status;
    while (i < n_tasks) {
        const ptrdiff_t upto = n_tasks - i < batch ? n_tasks : i + batch;
        fr_pool_run(task, context, i, upto, n_threads);
        i = upto;
        const double t = now();
        if (t - start < 0.02)
            batch *= 4;
        else if (t - start > 0.1 && batch > n_threads)
            batch /= 2;
        start = t;
        if ((status = fr_poll()))
            return status;
    }
    return 0;
}
