/* Gram micro-kernel: a PANEL x (panels * PANEL) block of sums held in registers.
 *
 * Panels hold PANEL neighbouring columns, row after row, so that each step of k loads the rows
 * of b as whole registers and broadcasts the elements of a.
 */

FR_INLINE void tile_of(const int nb, ptrdiff_t depth, const double *FR_RESTRICT a,
                       const double *FR_RESTRICT b, ptrdiff_t stride, double *FR_RESTRICT c,
                       ptrdiff_t ldc)
{
#define AT(v) ((v) / PER * stride + (v) % PER * VL)
#define DECLARE(r) vec c##r##0 = SPLAT(0.0), c##r##1 = c##r##0, c##r##2 = c##r##0, c##r##3 = c##r##0;
#define STEP(r)                                                                                    \
    {                                                                                              \
        const vec t = SPLAT(a[r]);                                                                 \
        c##r##0 += t * b0;                                                                         \
        if (nb > 1)                                                                                \
            c##r##1 += t * b1;                                                                     \
        if (nb > 2)                                                                                \
            c##r##2 += t * b2;                                                                     \
        if (nb > 3)                                                                                \
            c##r##3 += t * b3;                                                                     \
    }
#define OUT(v) (c + (v) * VL)
#define WRITE(r)                                                                                   \
    {                                                                                              \
        STORE(OUT(0), LOAD_double(OUT(0)) + c##r##0);                                              \
        if (nb > 1)                                                                                \
            STORE(OUT(1), LOAD_double(OUT(1)) + c##r##1);                                          \
        if (nb > 2)                                                                                \
            STORE(OUT(2), LOAD_double(OUT(2)) + c##r##2);                                          \
        if (nb > 3)                                                                                \
            STORE(OUT(3), LOAD_double(OUT(3)) + c##r##3);                                          \
        c += ldc;                                                                                  \
    }
    DECLARE(0) DECLARE(1) DECLARE(2) DECLARE(3)
#if PANEL > 4
    DECLARE(4) DECLARE(5) DECLARE(6) DECLARE(7)
#endif
    for (ptrdiff_t k = 0; k < depth; k++, a += PANEL, b += PANEL) {
        const vec b0 = LOAD_double(b + AT(0));
        const vec b1 = nb > 1 ? LOAD_double(b + AT(1)) : b0;
        const vec b2 = nb > 2 ? LOAD_double(b + AT(2)) : b0;
        const vec b3 = nb > 3 ? LOAD_double(b + AT(3)) : b0;
        STEP(0) STEP(1) STEP(2) STEP(3)
#if PANEL > 4
        STEP(4) STEP(5) STEP(6) STEP(7)
#endif
        (void)b1;
        (void)b2;
        (void)b3;
    }
    WRITE(0) WRITE(1) WRITE(2) WRITE(3)
#if PANEL > 4
    WRITE(4) WRITE(5) WRITE(6) WRITE(7)
#endif
#undef AT
#undef DECLARE
#undef STEP
#undef OUT
#undef WRITE
}

static void tile(ptrdiff_t depth, const double *a, const double *b, ptrdiff_t stride, int panels,
                 double *c, ptrdiff_t ldc)
{
#if WIDE == 1
    (void)panels;
    tile_of(PER, depth, a, b, stride, c, ldc);
#else
    if (panels == 3)
        tile_of(3 * PER, depth, a, b, stride, c, ldc);
    else if (panels == 2)
        tile_of(2 * PER, depth, a, b, stride, c, ldc);
    else
        tile_of(PER, depth, a, b, stride, c, ldc);
#endif
}
