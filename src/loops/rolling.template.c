/* Sums of windows, one block in each lane of a register, and their fits; see rolling.h. */

#define AT(a, i) LOAD_double((a) + (i) * VL)
#define SET(a, i, v) STORE((a) + (i) * VL, v)

typedef struct {
    const fr_rolling *q;
    const fr_rolling_block *blocks;
    ptrdiff_t p, size;
    double *kept, *chunk;                /* backward sums at multiples of q->chunk, and between two */
    double *front, *sums;                /* rows of the block, and of the window */
    double *t, *l;                       /* rows of D L' and of L', each with its right-hand side */
    double *x, *origin, *d, *full, *inverse, *alive, *w, *level;
    int64_t row[VL]; /* last row read; -1: none */
    ptrdiff_t in_chunk;
    int flags;
} rolling_state;

/* Return the weight of a row that many positions back. */
FR_INLINE double rolling_faded(const fr_rolling *q, ptrdiff_t back)
{
    return q->decay ? q->decay[back] : 1.0;
}

/* Add a row x, relative to the origin, with weight s; multiply the earlier sums by `keep`. */
FR_INLINE void rolling_add(const rolling_state *s, double *a, const double *x, vec weight, vec seen, vec keep)
{
    const ptrdiff_t p = s->p;
    double *means = a + fr_rolling_means(p) * VL, *total = a + fr_rolling_total(p) * VL;
    const vec before = AT(total, 0) * keep, after = before + weight;
    /* 0 where nothing has weight yet */
    const vec share = weight / (after + SPLAT(DBL_MIN));
    const vec f = s->q->intercept ? before * share : weight;
    SET(total, 0, after);
    SET(total, 1, AT(total, 1) + seen);
    for (ptrdiff_t j = 0; j <= p; j++) {
        const vec d = AT(x, j) - AT(means, j);
        SET(s->d, j, d);
        if (s->q->intercept)
            SET(means, j, AT(means, j) + share * d);
    }
    for (ptrdiff_t i = 0; i < p; i++) {
        const vec t = f * AT(s->d, i);
        for (ptrdiff_t j = i; j <= p; j++, a += VL)
            STORE(a, keep * LOAD_double(a) + t * AT(s->d, j));
    }
}

/* Add the sums of earlier rows, multiplied by `keep`, and those of the block's rows. */
static void rolling_join(const rolling_state *s, const double *a, const double *b, vec keep, double *out)
{
    const ptrdiff_t p = s->p;
    const ptrdiff_t means = fr_rolling_means(p), total = fr_rolling_total(p);
    const vec of_a = keep * AT(a, total), of_b = AT(b, total), all = of_a + of_b;
    const vec share = of_a / (all + SPLAT(DBL_MIN)), f = share * of_b;
    SET(out, total, all);
    SET(out, total + 1, AT(a, total + 1) + AT(b, total + 1));
    for (ptrdiff_t j = 0; j <= p; j++) {
        const vec d = AT(a, means + j) - AT(b, means + j);
        SET(s->d, j, d);
        SET(out, means + j, AT(b, means + j) + share * d);
    }
    for (ptrdiff_t i = 0; i < p; i++) {
        const vec t = f * AT(s->d, i);
        for (ptrdiff_t j = i; j <= p; j++, a += VL, b += VL, out += VL)
            STORE(out, (keep * LOAD_double(a) + LOAD_double(b)) + t * AT(s->d, j));
    }
}

/* Zero the products of columns that do not vary; mark fitting lanes that have any, or squares
 * out of range. */
static void rolling_live(rolling_state *s, vec fits)
{
    const ptrdiff_t p = s->p;
    const double *means = s->sums + fr_rolling_means(p) * VL;
    const vec zero = SPLAT(0.0), one = SPLAT(1.0), total = AT(s->sums, fr_rolling_total(p));
    double *g = s->sums;
    vec flat = zero, huge = zero;
    for (ptrdiff_t i = 0; i < p; g += (p - i + 1) * VL, i++) {
        /* the same test as fr_is_constant */
        const vec rounding = SPLAT(s->q->intercept ? 4 * DBL_EPSILON : 0.0) * (AT(s->origin, i) + AT(means, i));
        const vec left = AT(g, 0), alive = vec_below(total * rounding * rounding, left, one, zero);
        flat += vec_below(SPLAT(FR_LEAST_SQUARES), left, one - alive, one);
        huge += vec_below(left, SPLAT(FR_MOST_SQUARES), zero, one);
        SET(s->alive, i, alive);
    }
    s->flags |= vec_sum(huge * fits) > 0 ? FR_BLOCK_HUGE : 0;
    if (!(vec_sum(flat * fits) > 0))
        return;
    s->flags |= FR_BLOCK_FLAT;
    g = s->sums;
    for (ptrdiff_t i = 0; i < p; i++) {
        const vec alive = AT(s->alive, i);
        for (ptrdiff_t j = i; j <= p; j++, g += VL)
            STORE(g, j < p ? LOAD_double(g) * alive * AT(s->alive, j) : LOAD_double(g) * alive);
    }
}

/* columns of a register tile of four rows */
#if VL >= 8
#define TILE 4
#else
#define TILE 2
#endif

/* Rows i to i + R and columns j to j + C, j >= i + R, of D L': subtract the rows above from G
 * and the right-hand side. Entry (k, j) of a triangle is at k p - k (k - 1) / 2 + j. */
FR_INLINE void rolling_tile(const rolling_state *s, ptrdiff_t i, ptrdiff_t j, const int R, const int C)
{
    const ptrdiff_t p = s->p, at = i * p - i * (i - 1) / 2;
    vec t[4][4];
    ptrdiff_t row = at;
    for (int r = 0; r < R; row += p - i - r, r++)
        for (int c = 0; c < C; c++)
            t[r][c] = AT(s->sums, row + j + c);
    const double *lk = s->l + i * VL, *tk = s->t + j * VL;
    for (ptrdiff_t k = 0; k < i; k++) {
        vec v[4];
        for (int c = 0; c < C; c++)
            v[c] = AT(tk, c);
        for (int r = 0; r < R; r++) {
            const vec f = AT(lk, r);
            for (int c = 0; c < C; c++)
                t[r][c] -= f * v[c];
        }
        lk += (p - k) * VL;
        tk += (p - k) * VL;
    }
    row = at;
    for (int r = 0; r < R; row += p - i - r, r++) {
        ptrdiff_t above = at;
        for (int k = 0; k < r; above += p - i - k, k++) {
            const vec f = AT(s->l, above + i + r);
            for (int c = 0; c < C; c++)
                t[r][c] -= f * t[k][c];
        }
        const vec inverse = AT(s->inverse, i + r);
        for (int c = 0; c < C; c++) {
            SET(s->t, row + j + c, t[r][c]);
            SET(s->l, row + j + c, t[r][c] * inverse);
        }
    }
}

/* The same for the columns i to i + R with the pivots; `weak` lanes that lose too much get pivot
 * 1. */
FR_INLINE void rolling_pivots(const rolling_state *s, ptrdiff_t i, vec *weak, const int R)
{
    const ptrdiff_t p = s->p, at = i * p - i * (i - 1) / 2;
    const vec one = SPLAT(1.0), zero = SPLAT(0.0), keep = SPLAT(FR_WINDOW_KEEP);
    vec t[4][4];
    ptrdiff_t row = at;
    for (int r = 0; r < R; row += p - i - r, r++)
        for (int c = r; c < R; c++)
            t[r][c] = c == r ? AT(s->full, i + r) : AT(s->sums, row + i + c);
    const double *lk = s->l + i * VL, *tk = s->t + i * VL;
    for (ptrdiff_t k = 0; k < i; k++) {
        for (int r = 0; r < R; r++) {
            const vec f = AT(lk, r);
            for (int c = r; c < R; c++)
                t[r][c] -= f * AT(tk, c);
        }
        lk += (p - k) * VL;
        tk += (p - k) * VL;
    }
    row = at;
    for (int r = 0; r < R; row += p - i - r, r++) {
        const vec left = t[r][r];
        /* NaN counts as nothing */
        *weak = vec_below(keep * AT(s->full, i + r), left, *weak, one);
        const vec inverse = one / vec_below(zero, left, left, one);
        SET(s->inverse, i + r, inverse);
        for (int c = r + 1; c < R; c++) {
            const vec f = t[r][c] * inverse;
            SET(s->t, row + i + c, t[r][c]);
            SET(s->l, row + i + c, f);
            for (int d = c; d < R; d++)
                t[c][d] -= f * t[r][d];
        }
    }
}

FR_INLINE void rolling_rows(const rolling_state *s, ptrdiff_t i, vec *weak, const int R)
{
    rolling_pivots(s, i, weak, R);
    ptrdiff_t j = i + R;
    for (; j + TILE <= s->p + 1; j += TILE)
        rolling_tile(s, i, j, R, TILE);
    if (TILE > 2 && j + 2 <= s->p + 1) {
        rolling_tile(s, i, j, R, 2);
        j += 2;
    }
    if (j <= s->p)
        rolling_tile(s, i, j, R, 1);
}

/* Solve (G + alpha D) w = c by a factor L D L'; return 1 in lanes where too little of a column
 * is left. */
static vec rolling_solve(rolling_state *s, vec alpha, double *w)
{
    const ptrdiff_t p = s->p;
    const vec one = SPLAT(1.0);
    vec weak = SPLAT(0.0);
    const double *g = s->sums;
    for (ptrdiff_t i = 0; i < p; g += (p - i + 1) * VL, i++) {
        const vec alive = AT(s->alive, i);
        SET(s->full, i, alive * (AT(g, 0) + alpha * SPLAT(s->q->factor[i])) + (one - alive));
    }
    ptrdiff_t i = 0;
    for (; i + 4 <= p; i += 4)
        rolling_rows(s, i, &weak, 4);
    if (i + 2 <= p) {
        rolling_rows(s, i, &weak, 2);
        i += 2;
    }
    if (i < p)
        rolling_rows(s, i, &weak, 1);
    for (i = p - 1; i >= 0; i--) {
        const double *t = s->t + (i * p - i * (i - 1) / 2) * VL;
        vec b = AT(t, p);
        for (ptrdiff_t j = i + 1; j < p; j++)
            b -= AT(t, j) * AT(w, j);
        SET(w, i, b * AT(s->inverse, i));
    }
    return weak;
}

#undef TILE

/* Return the norm of c - (G + alpha D) w over that of c. */
static void rolling_certify(rolling_state *s, const double *w, double *relative)
{
    const ptrdiff_t p = s->p;
    vec norm = SPLAT(0.0), zero = norm;
    const double *g = s->sums;
    for (ptrdiff_t i = 0; i < p; i++)
        SET(s->d, i, SPLAT(0.0));
    for (ptrdiff_t i = 0; i < p; i++, g += (p - i + 2) * VL) {
        const vec wi = AT(w, i), c = AT(g, p - i);
        vec r = c - AT(s->d, i) - AT(s->full, i) * wi;
        for (ptrdiff_t j = i + 1; j < p; j++) {
            r -= AT(g, j - i) * AT(w, j);
            SET(s->d, j, AT(s->d, j) + AT(g, j - i) * wi);
        }
        norm += r * r;
        zero += c * c;
    }
    STORE(relative, norm / (zero + SPLAT(DBL_MIN)));
    for (int l = 0; l < VL; l++)
        relative[l] = sqrt(relative[l]);
}

/* Fit the windows that end at the blocks' row i, the last row read; -1: the row before the
 * block. */
static void rolling_fit(rolling_state *s, ptrdiff_t i)
{
    const fr_rolling *q = s->q;
    const ptrdiff_t p = s->p;
    const double *means = s->sums + fr_rolling_means(p) * VL;
    const vec one = SPLAT(1.0), zero = SPLAT(0.0), count = AT(s->sums, fr_rolling_total(p) + 1);
    const vec missing = vec_below(count, SPLAT(q->least), one, zero);
    const int any = vec_sum(missing) < VL;
    double none[VL], alpha[VL], weak[VL], relative[VL], offset[VL];
    int64_t to[VL];
    STORE(none, missing);
    for (int l = 0; l < VL; l++) {
        const int64_t row = i < 0 ? -1 : s->row[l];
        to[l] = row < 0 ? -1 : q->window_of ? q->window_of[row] : row;
    }
    if (any)
        rolling_live(s, one - missing);
    for (ptrdiff_t a = 0; a < q->n_alphas; a++) {
        double *w = s->w + a * p * VL;
        for (int l = 0; l < VL; l++)
            alpha[l] = !q->alpha_each ? q->alpha[a] : to[l] < 0 ? 1.0 : q->alpha[to[l]];
        if (any) {
            STORE(weak, rolling_solve(s, LOAD_double(alpha), w));
            vec level = AT(means, p) + AT(s->origin, p), far = zero;
            for (ptrdiff_t j = 0; j < p; j++) {
                level -= AT(means, j) * AT(w, j);
                far += AT(s->origin, j) * AT(w, j);
            }
            SET(s->level, a, level);
            STORE(offset, level - far);
            if (q->coef)
                rolling_certify(s, w, relative);
        }
        for (int l = 0; l < VL; l++) {
            const int fits = none[l] == 0;
            if (!fits)
                s->level[a * VL + l] = (double)NAN;
            if (to[l] < 0)
                continue;
            q->status[to[l] * q->n_alphas + a] =
                (uint8_t)(!fits ? FR_WINDOW_NONE : weak[l] > 0 ? FR_WINDOW_WEAK : FR_WINDOW_DONE);
            if (!q->coef)
                continue;
            double *coef = q->coef + to[l] * p;
            for (ptrdiff_t j = 0; j < p; j++)
                coef[j] = fits ? w[j * VL + l] : (double)NAN;
            q->offset[to[l]] = !fits ? (double)NAN : q->intercept ? offset[l] : 0.0;
            q->gradient[to[l]] = fits ? relative[l] : (double)NAN;
        }
    }
}

static void rolling_setup(rolling_state *s, const fr_rolling *q, const fr_rolling_block *blocks,
                          double *memory)
{
    const ptrdiff_t p = q->p, size = fr_rolling_size(p), triangle = fr_rolling_means(p);
    *s = (rolling_state){.q = q, .blocks = blocks, .p = p, .size = size, .in_chunk = -1};
    double **const fields[] = {&s->kept, &s->chunk, &s->front, &s->sums, &s->t, &s->l, &s->x, &s->origin,
                               &s->d, &s->full, &s->inverse, &s->alive, &s->w, &s->level};
    const ptrdiff_t sizes[] = {(q->window ? q->block / q->chunk + 1 : 1) * size,
                               q->window ? q->chunk * size : 0, size, size, triangle, triangle,
                               p + 1, p + 1, p + 1, p + 1, p + 1, p + 1, p * q->n_alphas, q->n_alphas};
    for (size_t f = 0; f < sizeof sizes / sizeof *sizes; f++) {
        *fields[f] = memory;
        memory += sizes[f] * VL;
    }
    memset(s->kept, 0, (size_t)size * sizeof(vec));
    memset(s->front, 0, (size_t)size * sizeof(vec));
    memset(s->w, 0, (size_t)(p * q->n_alphas) * sizeof(vec));
    for (int l = 0; l < VL; l++)
        for (ptrdiff_t e = 0; e < size && blocks[l].base; e++)
            s->kept[e * VL + l] = blocks[l].base[e];
}
