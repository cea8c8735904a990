/* Stochastic gradient descent for linear models, row by row. */
#ifndef FASTRIDGE_SGD_H
#define FASTRIDGE_SGD_H

#include <stddef.h>
#include <stdint.h>

#include "matrix.h"

enum {
    FR_SGD_SQUARED,
    FR_SGD_HUBER,
    FR_SGD_EPSILON,         /* epsilon-insensitive */
    FR_SGD_SQUARED_EPSILON,
    FR_SGD_POISSON,
    FR_SGD_HINGE,           /* from here on y is -1 or 1 */
    FR_SGD_SQUARED_HINGE,
    FR_SGD_MODIFIED_HUBER,
    FR_SGD_PERCEPTRON,
    FR_SGD_LOG,             /* y from -1 to 1 stands for the probability (1 + y) / 2 */
    FR_SGD_MULTINOMIAL
};

enum {
    FR_SGD_CONSTANT,
    FR_SGD_OPTIMAL,
    FR_SGD_INVSCALING,
    FR_SGD_PA1,
    FR_SGD_PA2,
    FR_SGD_ADAGRAD,
    FR_SGD_AUTO,
    FR_SGD_COIN
};

/* State kept from call to call, besides the table. */
enum {
    FR_SGD_T,       /* rows seen, plus 1 */
    FR_SGD_SEEN,    /* sum of their weights: the clock of penalties and averages */
    FR_SGD_SQUARES, /* sum of their weighted squares, in units of the columns */
    FR_SGD_ETA,     /* rate of the last step */
    FR_SGD_SHRINK,  /* factor of all rates */
    FR_SGD_BEGAN,   /* clock, or rows, when averaging began; negative: it has not */
    FR_SGD_L1,      /* largest total L1 penalty of a weight so far */
    FR_SGD_MEAN,    /* mean of the targets */
    FR_SGD_SPREAD,  /* sum of their weighted distances from it */
    FR_SGD_ERROR,   /* sum of weighted distances from predictions */
    FR_SGD_START,   /* initial intercept */
    FR_SGD_N_NUMBERS
};

/* 1 / s of columns never seen */
#define FR_SGD_UNSEEN 1e150
/* bound at which slopes of plain rules are clipped, as in scikit-learn */
#define FR_SGD_MOST_SLOPE 1e12

/* Each column has a record in the table, followed by that of the intercept:
 *   adaptive rules:  1 / s, clock, v = w s (k), 1 / R (k; 0: no gradient yet), reach (k), L1 penalty
 *                    that a positive v owes (k, if any) and a negative one (k), integral of w over the
 *                    clock (k, if averaged)
 *   coin betting:    1 / s, clock, v (k), sum of gradients (k), sum of their sizes (k), the largest
 *                    (k), reward (k), integral of w (k, if averaged)
 *   plain rules:     w / scale (k), L1 penalty applied (k, if any), sum that is averaged (k, if any)
 * Records are contiguous; or with by_field, for dense rows and one output, each field is contiguous,
 * with fields `ld` apart. */
typedef struct fr_sgd {
    fr_matrix *a;
    const ptrdiff_t *order; /* rows, or NULL: storage order */
    const ptrdiff_t *ahead; /* the same rows, those of each window in storage order; or NULL */
    ptrdiff_t window;       /* rows of a window of the order */
    ptrdiff_t near;         /* rows that are prefetched before their turn */
    ptrdiff_t begin, end;   /* positions to learn from */
    ptrdiff_t last;         /* the end of the order */
    ptrdiff_t looked;       /* end of the positions whose rows were checked */
    int stored;             /* type of the stored values, where a->real may be FR_ONES */
    int unseen, unsound;    /* whether rows are still unchecked; whether one was invalid */
    ptrdiff_t k;            /* outputs */
    const double *y;        /* (n,), or (n, k) with `soft` */
    const int32_t *codes;   /* classes, for several outputs */
    int soft;
    const double *weight;   /* (n,) or NULL */
    const double *positive; /* (k,) weights of the positive class, one against the rest; or NULL */
    int loss, rule, intercept, averages, by_field;
    int debts;              /* whether the table has debts of L1 penalties */
    int far;                /* whether the table is larger than the first-level cache */
    double parameter, eta0, power, first, alpha, l1_ratio;
    double average;              /* average from this row on; 0: never */
    const double *factor;        /* (p,) or NULL */
    const int32_t *group;        /* (p,) index of each column's scale, or NULL: the first */
    double *scale, *scale_sum;   /* (n_scales,): for plain rules */
    const double *scale_factor;  /* (n_scales,): the factor of the penalty */
    ptrdiff_t n_scales;
    double *table, *numbers;
    ptrdiff_t ld;
    double *work;
    double loss_sum;
    int diverged;
    /* batches: see sgd_batch.pyx */
    ptrdiff_t batch;        /* rows of one step */
    int tasks, threads;
    int status;             /* of fr_poll() */
    double *batch_work;
    int32_t *places;        /* (tasks, p) and (batch,), zeros */
} fr_sgd;

/* Doubles of `work` for rows of at most `wide` elements, a multiple of 8. */
#define FR_SGD_WORKSPACE(wide, k) (9 * (wide) + 5 * (k))

#define FR_SGD_MOST_TASKS 8 /* largest number of tasks of a batch */
#define FR_SGD_LEAST_ROWS 64 /* least number of rows of a task */

/* Return the number of tasks of a batch, which depends only on its size. */
static inline int fr_sgd_tasks(ptrdiff_t batch)
{
    const ptrdiff_t tasks = batch / FR_SGD_LEAST_ROWS;
    return tasks < 1 ? 1 : tasks > FR_SGD_MOST_TASKS ? FR_SGD_MOST_TASKS : (int)tasks;
}

/* Return the largest number of rows of a task. */
static inline ptrdiff_t fr_sgd_task_rows(ptrdiff_t batch)
{
    const int tasks = fr_sgd_tasks(batch);
    return (batch + tasks - 1) / tasks;
}

/* Return the largest number of columns that the rows of a task have. */
static inline ptrdiff_t fr_sgd_task_columns(ptrdiff_t rows, ptrdiff_t p, ptrdiff_t wide)
{
    return wide > 0 && rows < p / wide ? rows * wide : p;
}

/* Return whether a batch sums its gradients in arrays of all columns. */
static inline int fr_sgd_whole(const fr_sgd *s, int dense)
{
    return dense && s->k == 1 && s->rule != FR_SGD_COIN && s->rule != FR_SGD_PA1
           && s->rule != FR_SGD_PA2 && (s->rule >= FR_SGD_ADAGRAD || !(s->alpha * s->l1_ratio > 0));
}

/* Return the doubles of `batch_work` for rows of at most `wide` elements, a multiple of 8. */
static inline ptrdiff_t fr_sgd_batch_doubles(ptrdiff_t batch, ptrdiff_t p, ptrdiff_t wide, ptrdiff_t k,
                                             int whole)
{
    const ptrdiff_t tasks = fr_sgd_tasks(batch), padded = (p + 15) / 8 * 8;
    if (whole)
        return padded * (5 + 2 * tasks) + tasks * 9 * k;
    const ptrdiff_t all = fr_sgd_task_columns(batch, p, wide);
    const ptrdiff_t some = fr_sgd_task_columns(fr_sgd_task_rows(batch), p, wide);
    return (all + (tasks - 1) * some) * (2 + 5 * k) + tasks * (2 * wide + 9 * k);
}

#endif
