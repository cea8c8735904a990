/* Gram micro-kernel for panels of type P: a PANEL x (panels * WIDTH) block of sums in registers.
 * Panels hold WIDTH neighbouring columns, row after row; each step of k loads rows of b as whole
 * registers and broadcasts PANEL elements of a. */

#define LANES (WIDTH / PER)
#define VEC FR_CAT(VEC, P)
#define SPLAT_P(x) FR_CAT(SPLAT, P)(x)
#define LOAD_P(p) FR_CAT(WHOLE, P)(p)
#define ADD_P(p, x) FR_CAT(ADD, P)(p, x)

FR_INLINE void FR_CAT(tile_of, P)(const int nb, ptrdiff_t depth, const P *FR_RESTRICT a,
                                  const P *FR_RESTRICT b, ptrdiff_t stride, double *FR_RESTRICT c,
                                  ptrdiff_t ldc, uintptr_t ahead, ptrdiff_t step)
{
#define AT(v) ((v) / PER * stride + (v) % PER * LANES)
#define DECLARE(r) VEC c##r##0 = SPLAT_P(0), c##r##1 = c##r##0, c##r##2 = c##r##0, c##r##3 = c##r##0;
#define STEP(r)                                                                                    \
    {                                                                                              \
        const VEC t = SPLAT_P(a[r]);                                                               \
        c##r##0 += t * b0;                                                                         \
        if (nb > 1)                                                                                \
            c##r##1 += t * b1;                                                                     \
        if (nb > 2)                                                                                \
            c##r##2 += t * b2;                                                                     \
        if (nb > 3)                                                                                \
            c##r##3 += t * b3;                                                                     \
    }
#define OUT(v) (c + (v) * LANES)
#define WRITE(r)                                                                                   \
    {                                                                                              \
        ADD_P(OUT(0), c##r##0);                                                                    \
        if (nb > 1)                                                                                \
            ADD_P(OUT(1), c##r##1);                                                                \
        if (nb > 2)                                                                                \
            ADD_P(OUT(2), c##r##2);                                                                \
        if (nb > 3)                                                                                \
            ADD_P(OUT(3), c##r##3);                                                                \
        c += ldc;                                                                                  \
    }
    DECLARE(0) DECLARE(1) DECLARE(2) DECLARE(3)
#if PANEL > 4
    DECLARE(4) DECLARE(5) DECLARE(6) DECLARE(7)
#endif
    for (ptrdiff_t k = 0; k < depth; k++, a += WIDTH, b += WIDTH) {
        if (ahead) {
            FR_PREFETCH((const char *)ahead);
            ahead += (uintptr_t)step;
        }
        const VEC b0 = LOAD_P(b + AT(0));
        const VEC b1 = nb > 1 ? LOAD_P(b + AT(1)) : b0;
        const VEC b2 = nb > 2 ? LOAD_P(b + AT(2)) : b0;
        const VEC b3 = nb > 3 ? LOAD_P(b + AT(3)) : b0;
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

#if WIDE == 1
#define TILE_OF(ahead) FR_CAT(tile_of, P)(PER, depth, a, b, stride, c, ldc, ahead, step)
#else
#define TILE_OF(ahead)                                                                             \
    if (panels == 3)                                                                               \
        FR_CAT(tile_of, P)(3 * PER, depth, a, b, stride, c, ldc, ahead, step);                     \
    else if (panels == 2)                                                                          \
        FR_CAT(tile_of, P)(2 * PER, depth, a, b, stride, c, ldc, ahead, step);                     \
    else                                                                                           \
        FR_CAT(tile_of, P)(PER, depth, a, b, stride, c, ldc, ahead, step)
#endif
static void FR_CAT(tile, P)(ptrdiff_t depth, const P *a, const P *b, ptrdiff_t stride, int panels,
                            double *c, ptrdiff_t ldc, uintptr_t ahead, ptrdiff_t step)
{
    (void)panels;
    if (ahead) {
        TILE_OF(ahead);
    } else {
        TILE_OF(0);
    }
}
#undef TILE_OF

#undef LANES
#undef VEC
#undef SPLAT_P
#undef LOAD_P
#undef ADD_P
