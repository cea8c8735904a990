/* Inverses of factors over the BLAS and LAPACK that the caller has. */
#ifndef FASTRIDGE_INVERSE_H
#define FASTRIDGE_INVERSE_H

#include <stddef.h>

typedef void (*fr_gemm)(char *ta, char *tb, int *m, int *n, int *k, double *alpha, double *a, int *lda,
                        double *b, int *ldb, double *beta, double *c, int *ldc);
typedef void (*fr_syrk)(char *uplo, char *trans, int *n, int *k, double *alpha, double *a, int *lda,
                        double *beta, double *c, int *ldc);
typedef void (*fr_potrf)(char *uplo, int *n, double *a, int *lda, int *info);
typedef void (*fr_trtri)(char *uplo, char *diag, int *n, double *a, int *lda, int *info);

typedef struct {
    fr_gemm gemm;
    fr_syrk syrk;
    fr_potrf potrf;
    fr_trtri trtri;
} fr_blas;

/* The lower triangle of a (n x n, Fortran order) becomes L^-1 of a = L L', with zeros above it.
 * Returns 0, 1 where a is not definite, or -1 without memory. */
int fr_half_inverse(const fr_blas *f, double *a, int n);
/* c (n x n, Fortran order) = m' m for m lower triangular with zeros above, both triangles. */
int fr_lower_product(const fr_blas *f, const double *m, int n, double *c);

#endif
