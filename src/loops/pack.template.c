/* Pack matrix elements of type T into panels of type P, WIDTH columns each. */

#define NAME(f) FR_CAT3(f, T, P)
#define LOAD(p) FR_CAT(LOAD, T)(p)
#define PUT(p, x) FR_CAT(PUT, P)(p, x)

/* Contiguous columns: store four side by side, and prefetch the next four, which are far away in
 * memory. */
FR_INLINE void NAME(pack_columns)(const fr_panel_source *s, const T *FR_RESTRICT x, ptrdiff_t i0,
                                  ptrdiff_t depth, ptrdiff_t j, P *FR_RESTRICT panel,
                                  const int count)
{
    const double *rs = s->row_shift, *rw = s->row_weight;
    const ptrdiff_t cs = s->cs;
    double shift[4], scale[4];
    for (int c = 0; c < count; c++) {
        shift[c] = s->col_shift ? s->col_shift[j + c] : 0.0;
        scale[c] = s->col_scale ? s->col_scale[j + c] : 1.0;
    }
    for (ptrdiff_t i = 0; i < depth; i++) {
        const double r = rs ? rs[i0 + i] : 0.0, w = rw ? rw[i0 + i] : 1.0;
        if (i % 8 == 0)
            for (int c = 0; c < count; c++)
                FR_PREFETCH(x + (c + count) * cs + i);
        for (int c = 0; c < count; c++)
            panel[i * WIDTH + c] = (P)(((double)x[c * cs + i] - shift[c] - r) * w * scale[c]);
    }
}

static void NAME(pack)(const fr_panel_source *s, ptrdiff_t i0, ptrdiff_t depth, ptrdiff_t j0,
                       ptrdiff_t j1, P *panel)
{
    const T *x = (const T *)s->x + i0 * s->rs + j0 * s->cs;
    const double *cs = s->col_shift, *scale = s->col_scale;
    ptrdiff_t j = j0;
    if (s->cs == 1) {
        const ptrdiff_t full = (j1 - j0) / WIDTH;
        for (ptrdiff_t i = 0; i < depth; i++) {
            const T *FR_RESTRICT row = x + i * s->rs;
            P *FR_RESTRICT to = panel + i * WIDTH;
            const vec r = SPLAT(s->row_shift ? s->row_shift[i0 + i] : 0.0);
            const vec w = SPLAT(s->row_weight ? s->row_weight[i0 + i] : 1.0);
            for (ptrdiff_t b = 0; b < full; b++, to += depth * WIDTH)
                for (int l = 0; l < WIDTH; l += VL) {
                    const ptrdiff_t c = b * WIDTH + l;
                    vec t = LOAD(row + c) - r;
                    if (cs)
                        t -= LOAD_double(cs + j0 + c);
                    if (scale)
                        t *= LOAD_double(scale + j0 + c);
                    PUT(to + l, t * w);
                }
        }
        j += full * WIDTH;
    }
    else
        for (; j + 4 <= j1; j += 4) {
            const ptrdiff_t c = j - j0;
            NAME(pack_columns)(s, x + c * s->cs, i0, depth, j,
                               panel + (c / WIDTH) * depth * WIDTH + c % WIDTH, 4);
        }
    for (; j < j1; j++) {
        const ptrdiff_t c = j - j0;
        P *to = panel + (c / WIDTH) * depth * WIDTH + c % WIDTH;
        for (ptrdiff_t i = 0; i < depth; i++) {
            double t = (double)x[i * s->rs + c * s->cs] - (cs ? cs[j] : 0.0);
            if (s->row_shift)
                t -= s->row_shift[i0 + i];
            if (scale)
                t *= scale[j];
            to[i * WIDTH] = (P)(s->row_weight ? t * s->row_weight[i0 + i] : t);
        }
    }
}

#undef NAME
#undef LOAD
#undef PUT
