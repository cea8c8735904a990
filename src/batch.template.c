/* Products of a few columns of one problem, which stay in the first-level cache. */

#if VL >= 8
#define TALL 4
#else
#define TALL 2
#endif

/* A block of TALL x 4 sums held in registers; columns beyond the last one repeat it. */
FR_INLINE void cross_block(const double *const *FR_RESTRICT a, const double *const *FR_RESTRICT b,
                           const double *FR_RESTRICT w, ptrdiff_t m, double out[TALL][4])
{
    vec s[TALL][4];
    for (int r = 0; r < TALL; r++)
        for (int c = 0; c < 4; c++)
            s[r][c] = SPLAT(0.0);
    for (ptrdiff_t i = 0; i < m; i += VL) {
        vec v[4];
        for (int c = 0; c < 4; c++)
            v[c] = LOAD_double(b[c] + i);
        for (int r = 0; r < TALL; r++) {
            const vec u = w ? LOAD_double(a[r] + i) * LOAD_double(w + i) : LOAD_double(a[r] + i);
            for (int c = 0; c < 4; c++)
                s[r][c] += u * v[c];
        }
    }
    for (int r = 0; r < TALL; r++)
        for (int c = 0; c < 4; c++)
            out[r][c] = vec_sum(s[r][c]);
}

static void cross(const double *a, ptrdiff_t ld, ptrdiff_t m, ptrdiff_t p, const double *w,
                  double *g)
{
    for (ptrdiff_t i = 0; i < p; i += TALL) {
        const double *left[TALL], *right[4];
        double out[TALL][4];
        for (int r = 0; r < TALL; r++)
            left[r] = a + (i + r < p ? i + r : p - 1) * ld;
        for (ptrdiff_t j = i / 4 * 4; j < p; j += 4) {
            for (int c = 0; c < 4; c++)
                right[c] = a + (j + c < p ? j + c : p - 1) * ld;
            if (w)
                cross_block(left, right, w, m, out);
            else
                cross_block(left, right, NULL, m, out);
            for (ptrdiff_t r = 0; r < TALL && i + r < p; r++)
                for (ptrdiff_t c = 0; c < 4 && j + c < p; c++)
                    g[(i + r) * p + j + c] = out[r][c];
        }
    }
}
#undef TALL
