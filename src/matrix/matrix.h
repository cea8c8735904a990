/* A matrix as solvers see it: A = (X - 1 shift') diag(scale), never formed.
 *
 * X is stored as n_major vectors of length n_minor: rows (C order, CSR) or, with by_column,
 * columns (F order, CSC). Vectors are double. Every function returns 0 or a negative status of
 * parallel.h.
 */
#ifndef FASTRIDGE_MATRIX_H
#define FASTRIDGE_MATRIX_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    ptrdiff_t n_major, n_minor, ld, nnz;
    const void *data, *indices, *indptr;
    const double *shift, *scale; /* per column, or NULL */
    int32_t *cuts;               /* where scatters of several threads split each major vector */
    int real;                    /* FR_DOUBLE, FR_FLOAT or (sparse) FR_ONES */
    int index;                   /* -1 dense, 0 int32, 1 int64 */
    int by_column;
    int n_cuts;
    int is_near; /* sparse: means have been brought near zero where possible; see fr_about */
} fr_matrix;

/* out = A v and out = A' u, for k vectors in the columns of F-ordered v and out */
int fr_dot(fr_matrix *a, const double *v, double *out, ptrdiff_t k, int n_threads);
int fr_tdot(fr_matrix *a, const double *u, double *out, ptrdiff_t k, int n_threads);

/* Set a->cuts, where scatters of `parts` threads (at most FR_MOST_CUTS) split the major vectors
 * of a compressed matrix, unless memory is short; 0 or a status. */
#define FR_MOST_CUTS 16
int fr_cut_majors(fr_matrix *a, int parts);

/* With r = w (y - y_mean - A v) for k targets: r, the sums of w (y - y_mean - A v)^2, and A' r, in
 * one pass over dense data. w and y_mean may be NULL. */
int fr_residual(fr_matrix *a, const double *v, const double *y, const double *y_mean,
                const double *w, ptrdiff_t k, double *r, double *squares, double *gradient,
                int n_threads);

/* one column or row of A times a dense vector; work is column- or row-sized */
double fr_column_dot(const fr_matrix *a, ptrdiff_t j, const double *u);
void fr_column_axpy(const fr_matrix *a, ptrdiff_t j, double t, double *u);
double fr_row_dot(const fr_matrix *a, ptrdiff_t i, const double *v);
void fr_row_axpy(const fr_matrix *a, ptrdiff_t i, double t, double *v);
/* products of some columns of a column-major matrix: out[k] = A[:, columns[k]]'u */
int fr_dot_columns(const fr_matrix *a, const int32_t *columns, ptrdiff_t size, const double *u,
                   double *out, int n_threads);
/* their linear combination: out = A[:, columns] t */
void fr_add_columns(const fr_matrix *a, const int32_t *columns, ptrdiff_t size, const double *t,
                    double *out);
/* contiguous dense copies of some columns of A */
int fr_copy_columns(const fr_matrix *a, const int32_t *columns, ptrdiff_t size, double *out,
                    int n_threads);
/* dense copy of rows i0 .. i1 of A, C order */
void fr_rows(const fr_matrix *a, ptrdiff_t i0, ptrdiff_t i1, double *out);

/* A place near the means of dense columns, from a few rows spread over all; exact for constant
 * columns. Sums about it lose at most n / SAMPLE rounding errors; 0 for sparse data. */
void fr_place(const fr_matrix *a, const double *w, double *place);
/* Mean and variance (over sum w) of the columns of X; the variance is 0 where the column is
 * constant up to round-off of its own scale; w NULL: ones. Sparse columns far from zero take a
 * second pass. */
int fr_column_stats(fr_matrix *a, const double *w, double *mean, double *var, int n_threads);
#define FR_FAR_LIGHTER 1e-10 /* weight of a row beside the largest */
/* Return whether weights above 0 are so unlike that light rows may vary while the variance is 0. */
int fr_some_are_light(const double *w, ptrdiff_t n);
/* Where weights are so unlike that a column may vary in light rows though its variance is 0 beside its
 * mean: means and variances of the rows whose weight is not 0, to be freed; else NULL. */
int fr_even_stats(fr_matrix *a, const double *w, double **even, int n_threads);

/* add the numbers of stored elements of the rows, or of the columns, of compressed data */
int fr_counts(const fr_matrix *a, int of_rows, int64_t *counts);

/* Store the same compressed matrix by its other index: arrays of nnz, nnz and n_minor + 1
 * elements. Minor index j becomes major vector place[j]; NULL: j. */
int fr_transpose(const fr_matrix *a, const int32_t *place, void *data, void *indices, void *indptr);

/* Store compressed X - 1 about' in float64; columns with about other than 0 are stored in full.
 * indices and indptr NULL: the pattern is that of X, where these columns were already stored in
 * full. */
int fr_about(const fr_matrix *a, const double *about, double *data, void *indices, void *indptr);

/* gram.c: see there */
typedef struct {
    const fr_matrix *a;        /* its shift and scale are ignored */
    const double *y;           /* k more columns of the length of a's, F order, or NULL */
    ptrdiff_t k;
    int transposed;            /* of A' instead of A: sums over features */
    int ones;                  /* append a column of ones */
    const double *col_shift;   /* subtracted from the columns whose products are summed */
    const double *row_shift;   /* subtracted along the summation */
    const double *root_weight; /* square roots of the weights along the summation, or NULL */
    const double *y_shift;
    /* called before rows i to i + rows are read, for part t of them; it may set their
     * root_weight */
    void (*prepare)(void *context, ptrdiff_t t, ptrdiff_t i, ptrdiff_t rows);
    void *context;
} fr_gram_source;

/* Order of the buffer that fr_gram_dense fills: columns padded to whole panels. */
ptrdiff_t fr_gram_order(ptrdiff_t n_columns);
int fr_gram_dense(const fr_gram_source *s, double *g, int n_threads);
#define FR_GRAM_PARTS 16 /* upper bound of the parts that have sums of their own */
/* Extra input and output of a Gram matrix with float32 products: float64 sums about col_shift,
 * skipped where `sum` is NULL. The targets of the source go to `cross`. */
typedef struct {
    const double *scale;  /* per column: powers of two, by which the result is scaled on both sides */
    const double *weight; /* squares of root_weight, or NULL */
    double *sum, *square; /* of w (x - shift) and w (x - shift)^2, by column */
    double *cross;        /* k x p: sums of w (x - shift) (y - y_shift) */
} fr_single_sums;
ptrdiff_t fr_single_order(ptrdiff_t n_columns);
void fr_single_scale(const fr_gram_source *s, double *scale);
/* Add part i0 .. i1 of the summation; i0 = 0 starts anew. */
int fr_gram_single(const fr_gram_source *s, const fr_single_sums *e, ptrdiff_t i0, ptrdiff_t i1,
                   double *g, int n_threads);
/* g (m x m, C order, both triangles) = X_S' diag(w) X_S of a CSR-like matrix; position[j] is the
 * position of minor index j in S, or -1; NULL: all. most_parts: bound of the parts of the rows that
 * have sums of their own, m x m each; 1: none */
int fr_gram_sparse(fr_matrix *a, const double *w, const int32_t *position, ptrdiff_t m, double *g,
                   int most_parts, int n_threads);

/* return whether all n > 0 values are 1 */
int fr_all_ones(const void *x, ptrdiff_t n, int real);
int fr_all_finite(const void *x, ptrdiff_t n, int real, int n_threads);
/* 0: canonical, 1: unsorted or repeated; else the kind of error, at major vector *where. With
 * `pointers`, check indptr alone. */
int fr_check_compressed(const void *indices, const void *indptr, int index, ptrdiff_t n_major,
                        ptrdiff_t n_minor, ptrdiff_t nnz, int pointers, ptrdiff_t *where,
                        int n_threads);

#endif
