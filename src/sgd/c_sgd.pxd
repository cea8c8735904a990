"""The C declarations of this folder."""

from libc.stdint cimport int32_t

from c_matrix cimport fr_matrix


cdef extern from "sgd.h" nogil:
    enum:
        FR_SGD_SQUARED, FR_SGD_HUBER, FR_SGD_EPSILON, FR_SGD_SQUARED_EPSILON, FR_SGD_POISSON
        FR_SGD_HINGE, FR_SGD_SQUARED_HINGE, FR_SGD_MODIFIED_HUBER, FR_SGD_PERCEPTRON, FR_SGD_LOG
        FR_SGD_MULTINOMIAL
    enum:
        FR_SGD_CONSTANT, FR_SGD_OPTIMAL, FR_SGD_INVSCALING, FR_SGD_PA1, FR_SGD_PA2
        FR_SGD_ADAGRAD, FR_SGD_AUTO, FR_SGD_COIN
    enum:
        FR_SGD_T, FR_SGD_SEEN, FR_SGD_SQUARES, FR_SGD_ETA, FR_SGD_SHRINK, FR_SGD_BEGAN, FR_SGD_L1
        FR_SGD_MEAN, FR_SGD_SPREAD, FR_SGD_ERROR, FR_SGD_START, FR_SGD_N_NUMBERS
    const double FR_SGD_UNSEEN, FR_SGD_MOST_SLOPE

    ctypedef struct fr_sgd "struct fr_sgd":
        fr_matrix *a
        const Py_ssize_t *order
        const Py_ssize_t *ahead
        Py_ssize_t window, near, begin, end, last, looked, k
        int stored, unseen, unsound
        const double *y
        const int32_t *codes
        int soft
        const double *weight
        const double *positive
        int loss, rule, intercept, averages, by_field, debts, far
        double parameter, eta0, power, first, alpha, l1_ratio, average
        const double *factor
        const int32_t *group
        double *scale
        double *scale_sum
        const double *scale_factor
        Py_ssize_t n_scales
        double *table
        double *numbers
        Py_ssize_t ld
        double *work
        double loss_sum
        int diverged
        Py_ssize_t batch
        int tasks, threads, status
        double *batch_work
        int32_t *places
    Py_ssize_t FR_SGD_WORKSPACE(Py_ssize_t wide, Py_ssize_t k)
    enum: FR_SGD_MOST_TASKS
    int fr_sgd_tasks(Py_ssize_t batch)
    Py_ssize_t fr_sgd_task_rows(Py_ssize_t batch)
    Py_ssize_t fr_sgd_task_columns(Py_ssize_t rows, Py_ssize_t p, Py_ssize_t wide)
    int fr_sgd_whole(const fr_sgd *s, int dense)
    Py_ssize_t fr_sgd_batch_doubles(Py_ssize_t batch, Py_ssize_t p, Py_ssize_t wide, Py_ssize_t k,
                                    int whole)


cdef extern from "flow.h" nogil:
    void fr_flow(double *v, double two, double one, double time, double *integral,
                 double *debts, Py_ssize_t apart)
    void fr_truncate(double *v, double *debts, Py_ssize_t apart)


cdef extern from "windows.h" nogil:
    void fr_fetch_row(const fr_sgd *s, Py_ssize_t position)
    void fr_fetch_record(const fr_sgd *s, Py_ssize_t column)
    void fr_fetch_records(const fr_sgd *s, Py_ssize_t position)
    void fr_fetch_row_later(const fr_sgd *s, Py_ssize_t position)
    void fr_fetch_window(const fr_sgd *s, Py_ssize_t position)
    void fr_fetch_beside(const fr_sgd *s, Py_ssize_t position)
    int fr_look_at_rows(fr_sgd *s, Py_ssize_t begin, Py_ssize_t end)


cdef extern from "elementary.h" nogil:
    double fr_exp(double x)
    double fr_log1p(double x)
    double fr_log(double x)
