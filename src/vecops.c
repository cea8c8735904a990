/* All inner loops, compiled once per instruction set; FR_ISA names the table. */

#include "vec.h"

#include "kernels.h"

#if VL >= 8
#define PANEL 8
#define WIDE 3
#elif VL == 4
#define PANEL 4
#define WIDE 3
#else
#define PANEL 4
#define WIDE 1
#endif
#define PER (PANEL / VL)   /* registers in one row of a panel */
#define MOST (PER * WIDE)  /* registers in one row of a tile */

#include "gram.template.c"

#define VALUES8(p, m) FR_CAT(VALUES8, T)(p, m)
#define T double
#include "dense.template.c"
#include "sparse_both.h"
#undef T
#define T float
#include "dense.template.c"
#include "sparse_both.h"
#undef T
typedef char ones;
#define T ones
#include "sparse_both.h"
#undef T

#define BOTH(f, T) {FR_CAT3(f, T, i32), FR_CAT3(f, T, i64)}
#define SPARSE(T)                                                                                  \
    BOTH(gather, T), BOTH(scatter, T), BOTH(scatter_moments, T), BOTH(gather_moments, T)
#define REAL(T)                                                                                    \
    {FR_CAT(dot_rows, T), FR_CAT(axpy_rows, T), FR_CAT(moment_rows, T), FR_CAT(moment_majors, T),  \
     FR_CAT(pack, T), FR_CAT(finite, T), SPARSE(T)}
#define TEXT_(isa) #isa
#define TEXT(isa) TEXT_(isa)

const fr_kernels FR_CAT(fr_kernels, FR_ISA) = {
    TEXT(FR_ISA), PANEL, WIDE, tile, {REAL(double), REAL(float), {NULL, NULL, NULL, NULL, NULL, NULL, SPARSE(ones)}}};
