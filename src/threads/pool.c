#include "pool.h"

#ifdef FR_NO_THREADS

int fr_pool_exists(void) { return 0; }

void fr_pool_run(void (*task)(void *, ptrdiff_t), void *context, ptrdiff_t i0, ptrdiff_t i1,
                 int n_threads)
{
    (void)n_threads;
    for (ptrdiff_t i = i0; i < i1; i++)
        task(context, i);
}

#else

#define MOST 256  /* workers */
#define SPIN 2000 /* polls, some 50 microseconds, before a thread goes to sleep */

#if defined(_WIN32)
#include <windows.h>

typedef SRWLOCK lock;
typedef CONDITION_VARIABLE condition;
#define LOCK_INIT SRWLOCK_INIT
#define CONDITION_INIT CONDITION_VARIABLE_INIT
static void acquire(lock *l) { AcquireSRWLockExclusive(l); }
static void release(lock *l) { ReleaseSRWLockExclusive(l); }
static void wait_for(condition *c, lock *l) { SleepConditionVariableSRW(c, l, INFINITE, 0); }
static void wake_one(condition *c) { WakeConditionVariable(c); }
static void wake_all(condition *c) { WakeAllConditionVariable(c); }
typedef volatile LONG64 counter;
static ptrdiff_t fetch_add(counter *c, ptrdiff_t d) { return (ptrdiff_t)InterlockedExchangeAdd64(c, d); }
static ptrdiff_t look(counter *c) { return (ptrdiff_t)InterlockedCompareExchange64(c, 0, 0); }
#define PAUSE() YieldProcessor()
static void worker(void);
static DWORD WINAPI start(LPVOID unused)
{
    (void)unused;
    worker();
    return 0;
}
static int spawn(void)
{
    HANDLE h = CreateThread(NULL, 0, start, NULL, 0, NULL);
    if (h)
        CloseHandle(h);
    return h != NULL;
}
#else
#include <pthread.h>
#include <signal.h>

typedef pthread_mutex_t lock;
typedef pthread_cond_t condition;
#define LOCK_INIT PTHREAD_MUTEX_INITIALIZER
#define CONDITION_INIT PTHREAD_COND_INITIALIZER
static void acquire(lock *l) { pthread_mutex_lock(l); }
static void release(lock *l) { pthread_mutex_unlock(l); }
static void wait_for(condition *c, lock *l) { pthread_cond_wait(c, l); }
static void wake_one(condition *c) { pthread_cond_signal(c); }
static void wake_all(condition *c) { pthread_cond_broadcast(c); }
typedef ptrdiff_t counter;
static ptrdiff_t fetch_add(counter *c, ptrdiff_t d) { return __atomic_fetch_add(c, d, __ATOMIC_ACQ_REL); }
static ptrdiff_t look(counter *c) { return __atomic_load_n(c, __ATOMIC_ACQUIRE); }
#if defined(__x86_64__) || defined(__i386__)
#define PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define PAUSE() __asm__ __volatile__("yield")
#else
#define PAUSE() ((void)0)
#endif
static void worker(void);
static void *start(void *unused)
{
    (void)unused;
    worker();
    return NULL;
}
static int spawn(void)
{
    pthread_t t;
    sigset_t all, before;
    /* signals are for the threads of the interpreter */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int failed = pthread_create(&t, NULL, start, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!failed)
        pthread_detach(t);
    return !failed;
}
#endif

typedef struct job {
    void (*task)(void *, ptrdiff_t);
    void *context;
    ptrdiff_t end;
    counter next;   /* the next task that is free */
    counter inside; /* workers in this job; incremented under the lock */
    int open_places;       /* workers that may still join */
    condition left; /* the last of them has left */
    struct job *after;
} job;

static lock guard = LOCK_INIT;
static condition posted = CONDITION_INIT;
static counter posts = 0; /* jobs opened so far, polled without the lock */
static job *open_jobs = NULL;
static int workers = 0, sleeping = 0;

int fr_pool_exists(void) { return 1; }

static void work_on(job *j)
{
    for (;;) {
        const ptrdiff_t i = fetch_add(&j->next, 1);
        if (i >= j->end)
            return;
        j->task(j->context, i);
    }
}

static job *take(void)
{
    for (job *j = open_jobs; j; j = j->after)
        if (j->open_places > 0 && look(&j->next) < j->end) {
            j->open_places--;
            fetch_add(&j->inside, 1);
            return j;
        }
    return NULL;
}

static void worker(void)
{
    acquire(&guard);
    for (;;) {
        job *j = take();
        if (j) {
            release(&guard);
            work_on(j);
            acquire(&guard);
            if (fetch_add(&j->inside, -1) == 1)
                wake_all(&j->left);
            continue;
        }
        const ptrdiff_t seen = look(&posts);
        release(&guard);
        int spin = 0;
        while (spin < SPIN && look(&posts) == seen) {
            PAUSE();
            spin++;
        }
        acquire(&guard);
        if (spin == SPIN && look(&posts) == seen) {
            sleeping++;
            wait_for(&posted, &guard);
            sleeping--;
        }
    }
}

void fr_pool_run(void (*task)(void *, ptrdiff_t), void *context, ptrdiff_t i0, ptrdiff_t i1,
                 int n_threads)
{
    const ptrdiff_t most = i1 - i0 < n_threads ? i1 - i0 : n_threads;
    job j = {.task = task, .context = context, .end = i1, .next = i0, .open_places = (int)most - 1,
             .left = CONDITION_INIT};
    if (most < 2) {
        for (ptrdiff_t i = i0; i < i1; i++)
            task(context, i);
        return;
    }
    acquire(&guard);
    while (workers < j.open_places && workers < MOST && spawn())
        workers++;
    j.after = open_jobs;
    open_jobs = &j;
    fetch_add(&posts, 1);
    for (int k = 0; k < j.open_places && k < sleeping; k++)
        wake_one(&posted);
    release(&guard);

    work_on(&j);

    for (int spin = 0; spin < SPIN && look(&j.inside) > 0; spin++)
        PAUSE();
    acquire(&guard);
    job **at = &open_jobs;
    while (*at != &j)
        at = &(*at)->after;
    *at = j.after;
    while (look(&j.inside) > 0)
        wait_for(&j.left, &guard);
    release(&guard);
}

#endif
