/* Read the rows of windows into lanes, for X of type T; see rolling.template.c. */

#define NAME(f) FR_CAT(f, T)

/* Load the rows at u positions from each block's start, relative to the origin, into s->x.
 * Missing rows, and without `all` those of weight 0, are replaced by the origin. Return whether
 * an existing row has weight 0. */
static int NAME(rolling_read)(rolling_state *s, ptrdiff_t u, const int all, double *weight)
{
    const fr_rolling *q = s->q;
    const ptrdiff_t p = s->p;
    const void *x[VL];
    double y[VL];
    int light = 0;
    for (int l = 0; l < VL; l++) {
        const fr_rolling_block *b = s->blocks + l;
        const ptrdiff_t at = b->start + u;
        const int there = at >= b->begin && at < b->end;
        int64_t row = !there ? -1 : q->order ? q->order[at] : at;
        s->row[l] = row;
        weight[l] = !there ? 0.0 : q->w ? q->w[row] : 1.0;
        light |= there && weight[l] == 0;
        if (!there || (!all && weight[l] == 0))
            row = q->order ? q->order[b->origin] : b->origin;
        x[l] = (const T *)q->x + row * p;
        y[l] = q->y[row];
    }
    NAME(to_lanes)(x, 1, p, p, s->x);
    SET(s->x, p, LOAD_double(y));
    for (ptrdiff_t j = 0; j <= p; j++)
        SET(s->x, j, AT(s->x, j) - AT(s->origin, j));
    return light;
}

/* Add the row at u, from each block's start, to the sums `a` with its decayed weight. */
FR_INLINE void NAME(rolling_take)(rolling_state *s, double *a, ptrdiff_t u, double keep)
{
    double weight[VL], seen[VL];
    NAME(rolling_read)(s, u, 0, weight);
    for (int l = 0; l < VL; l++)
        seen[l] = weight[l] > 0 ? 1.0 : 0.0;
    rolling_add(s, a, s->x, LOAD_double(weight) * SPLAT(keep), LOAD_double(seen), SPLAT(1.0));
}

/* Compute sums of the k rows before those that `base` has. */
static const double *NAME(rolling_back)(rolling_state *s, ptrdiff_t k)
{
    const fr_rolling *q = s->q;
    if (!q->window)
        return s->kept;
    const ptrdiff_t chunk = k / q->chunk, first = chunk * q->chunk, size = s->size * VL;
    if (k == first)
        return s->kept + chunk * size;
    if (s->in_chunk != chunk) {
        const ptrdiff_t last = first + q->chunk <= q->block + 1 ? first + q->chunk : q->block + 1;
        const double *before = s->kept + chunk * size;
        for (ptrdiff_t e = first + 1; e < last; e++) {
            double *to = s->chunk + (e - first) * size;
            memcpy(to, before, (size_t)size * sizeof(double));
            const ptrdiff_t u = q->block - q->window - e;
            NAME(rolling_take)(s, to, u, rolling_faded(q, -1 - u));
            before = to;
        }
        s->in_chunk = chunk;
    }
    return s->chunk + (k - first) * size;
}

static void NAME(rolling_origin)(rolling_state *s)
{
    const fr_rolling *q = s->q;
    const void *x[VL];
    double y[VL];
    for (int l = 0; l < VL; l++) {
        const ptrdiff_t at = s->blocks[l].origin, row = q->order ? q->order[at] : at;
        x[l] = (const T *)q->x + row * s->p;
        y[l] = q->y[row];
    }
    NAME(to_lanes)(x, 1, s->p, s->p, s->origin);
    SET(s->origin, s->p, LOAD_double(y));
    for (ptrdiff_t j = 0; j <= s->p && !q->intercept; j++)
        SET(s->origin, j, SPLAT(0.0));
}

/* Compute all fits and predictions of VL blocks; return their flags. */
static int NAME(rolling)(const fr_rolling *q, const fr_rolling_block *blocks, double *memory)
{
    rolling_state s;
    rolling_setup(&s, q, blocks, memory);
    NAME(rolling_origin)(&s);
    const ptrdiff_t p = q->p, size = s.size * VL;
    ptrdiff_t rows = 0;
    for (int l = 0; l < VL; l++)
        rows = blocks[l].end - blocks[l].start > rows ? blocks[l].end - blocks[l].start : rows;
    rows = rows < q->block ? rows : q->block;
    if (q->window) {
        for (ptrdiff_t e = 0; e < q->partial; e++) {
            const ptrdiff_t u = q->block - q->window + q->partial - 1 - e;
            NAME(rolling_take)(&s, s.kept, u, rolling_faded(q, -1 - u));
        }
        /* the last row of the block needs no backward sums, the row before the block all of them */
        double *sums = s.chunk;
        memcpy(sums, s.kept, (size_t)size * sizeof(double));
        for (ptrdiff_t k = 1; k <= q->block; k++) {
            const ptrdiff_t u = q->block - q->window - k;
            NAME(rolling_take)(&s, sums, u, rolling_faded(q, -1 - u));
            if (k % q->chunk == 0)
                memcpy(s.kept + k / q->chunk * size, sums, (size_t)size * sizeof(double));
        }
    }
    if (q->prediction) {
        rolling_join(&s, NAME(rolling_back)(&s, q->block), s.front, SPLAT(1.0), s.sums);
        rolling_fit(&s, -1);
    }
    for (ptrdiff_t i = 0; i < rows; i++) {
        double weight[VL], seen[VL], eta[VL];
        const int ends = (i + 1) % q->step == 0;
        /* first, since it overwrites the rows in s */
        const double *before = ends ? NAME(rolling_back)(&s, q->block - 1 - i) : NULL;
        const int light = NAME(rolling_read)(&s, i, q->prediction != NULL, weight);
        for (ptrdiff_t a = 0; a < q->n_alphas && q->prediction; a++) {
            const double *w = s.w + a * p * VL;
            vec sum = AT(s.level, a);
            for (ptrdiff_t j = 0; j < p; j++)
                sum += AT(s.x, j) * AT(w, j);
            STORE(eta, sum);
            for (int l = 0; l < VL; l++) {
                if (s.row[l] >= 0)
                    q->prediction[s.row[l] * q->n_alphas + a] = eta[l];
            }
        }
        if (light)
            NAME(rolling_read)(&s, i, 0, weight);
        for (int l = 0; l < VL; l++)
            seen[l] = weight[l] > 0 ? 1.0 : 0.0;
        rolling_add(&s, s.front, s.x, LOAD_double(weight), LOAD_double(seen),
                    SPLAT(rolling_faded(q, 1)));
        if (ends) {
            rolling_join(&s, before, s.front, SPLAT(rolling_faded(q, i + 1)), s.sums);
            rolling_fit(&s, i);
        }
    }
    return s.flags;
}

/* Compute sums about their origins of the rows of VL blocks, weighted as at each block's end:
 * (lanes, size). */
static void NAME(rolling_sums)(const fr_rolling *q, const fr_rolling_block *blocks, double *memory,
                               double **out)
{
    rolling_state s;
    rolling_setup(&s, q, blocks, memory);
    NAME(rolling_origin)(&s);
    for (ptrdiff_t i = 0; i < q->block; i++)
        NAME(rolling_take)(&s, s.front, i, rolling_faded(q, q->block - 1 - i));
    for (int l = 0; l < VL; l++)
        for (ptrdiff_t e = 0; e < s.size; e++)
            out[l][e] = s.front[e * VL + l];
}

#undef NAME
