/* State shared by all extension modules: kernels in use, threads, interrupts.
 *
 * The module _runtime owns it; every other one is linked with client.c, whose functions call the
 * owner through this table, which `fr_attach` receives once, at import.
 */
#ifndef FASTRIDGE_RUNTIME_H
#define FASTRIDGE_RUNTIME_H

#include <stddef.h>

#include "kernels.h"
#include "parallel.h"

typedef struct {
    const fr_kernels *(*active)(void);
    int (*parallel)(fr_task task, void *context, ptrdiff_t n_tasks, int n_threads);
    int (*poll)(void);
    double (*serial_below)(void);
    int (*after_fork)(void);
    void (*pool_run)(fr_task task, void *context, ptrdiff_t i0, ptrdiff_t i1, int n_threads);
    int (*num_threads)(void); /* -1: a Python exception is set */
    int (*ended)(void);       /* whether this thread can take the GIL no more */
} fr_runtime;

void fr_attach(const fr_runtime *runtime);
int fr_num_threads(void);
int fr_ended(void);

#endif
