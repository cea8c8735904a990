/* Sums of windows, one block in each lane of a register, and the fits that they give; see rolling.h. */

#define AT(a, i) LOAD_double((a) + (i) * VL)
#define SET(a, i, v) STORE((a) + (i) * VL, v)

typedef struct {
    const fr_rolling *q;
    const fr_rolling_block *blocks;
    ptrdiff_t p, size;
    double *kept, *chunk;                /* sums back to multiples of q->chunk, and between two of them */
    double *front, *sums;                /* rows of the block, and of the window */
    double *t, *l;                       /* rows of D L' and of L', each with its right-hand side */
    double *x, *origin, *d, *full, *inverse, *alive, *w, *level;
    ptrdiff_t in_chunk;
    int flags;
} rolling_state;

/* Weight of a row so many positions back. */
FR_INLINE double rolling_faded(const fr_rolling *q, ptrdiff_t back)
{
    return q->decay ? q->decay[back] : 1.0;
}

/* One more row x, less the origin, of weight s; what is there fades to `keep` of its weight. */
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

/* Sums of a window: those of earlier rows, which fade to `keep`, and those of the block's rows. */
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

/* Columns that do not vary get no products; of lanes that fit, those and squares out of range are told. */
static void rolling_live(rolling_state *s, const int *fits)
{
    const ptrdiff_t p = s->p;
    const double *means = s->sums + fr_rolling_means(p) * VL;
    const vec total = AT(s->sums, fr_rolling_total(p));
    double *g = s->sums;
    int flat = 0, huge = 0;
    for (ptrdiff_t i = 0; i < p; g += (p - i + 1) * VL, i++) {
        /* as fr_is_constant has it */
        const vec rounding = SPLAT(4 * DBL_EPSILON) * (AT(s->origin, i) + AT(means, i));
        double left[VL], gone[VL], alive[VL];
        STORE(left, AT(g, 0));
        STORE(gone, s->q->intercept ? total * rounding * rounding : SPLAT(0.0));
        for (int l = 0; l < VL; l++) {
            alive[l] = left[l] > gone[l] ? 1.0 : 0.0;
            flat |= fits[l] & !(left[l] > gone[l] && left[l] >= FR_LEAST_SQUARES);
            huge |= fits[l] & !(left[l] <= FR_MOST_SQUARES);
        }
        SET(s->alive, i, LOAD_double(alive));
    }
    s->flags |= huge ? FR_BLOCK_HUGE : 0;
    if (!flat)
        return;
    s->flags |= FR_BLOCK_FLAT;
    g = s->sums;
    for (ptrdiff_t i = 0; i < p; i++) {
        const vec alive = AT(s->alive, i);
        for (ptrdiff_t j = i; j <= p; j++, g += VL)
            STORE(g, j < p ? LOAD_double(g) * alive * AT(s->alive, j) : LOAD_double(g) * alive);
    }
}

/* Columns j to j + count of row i: what rows above leave of G + alpha D and of the right-hand side. */
FR_INLINE void rolling_columns(const rolling_state *s, const double *g, ptrdiff_t i, ptrdiff_t j,
                               const int count)
{
    const ptrdiff_t p = s->p;
    vec left[4];
    for (int c = 0; c < count; c++)
        left[c] = j + c == i ? AT(s->full, i) : AT(g, j - i + c);
    /* row k begins k (p + 1) - k (k - 1) / 2 entries down, at column k */
    const double *l = s->l + i * VL, *t = s->t + j * VL;
    for (ptrdiff_t k = 0; k < i; k++) {
        const vec f = LOAD_double(l);
        for (int c = 0; c < count; c++)
            left[c] -= f * AT(t, c);
        l += (p - k) * VL;
        t += (p - k) * VL;
    }
    double *row = s->t + (i * (p + 1) - i * (i - 1) / 2 - i) * VL;
    for (int c = 0; c < count; c++)
        SET(row, j + c, left[c]);
}

/* (G + alpha D) w = c by a factor L D L'; returns lanes' least share of a column that is left. */
static vec rolling_solve(rolling_state *s, vec alpha, double *w)
{
    const ptrdiff_t p = s->p;
    double least[VL];
    STORE(least, SPLAT(1.0));
    const double *g = s->sums;
    for (ptrdiff_t i = 0; i < p; i++, g += (p - i + 2) * VL) {
        const vec one = SPLAT(1.0), alive = AT(s->alive, i);
        SET(s->full, i, alive * (AT(g, 0) + alpha * SPLAT(s->q->factor[i])) + (one - alive));
        ptrdiff_t j = i;
        for (; j + 4 <= p + 1; j += 4)
            rolling_columns(s, g, i, j, 4);
        for (; j <= p; j++)
            rolling_columns(s, g, i, j, 1);
        const ptrdiff_t row = i * (p + 1) - i * (i - 1) / 2 - i;
        double left[VL], full[VL];
        STORE(left, AT(s->t, row + i));
        STORE(full, AT(s->full, i));
        for (int l = 0; l < VL; l++) {
            const double share = left[l] / full[l];
            /* NaN counts as nothing */
            least[l] = share < least[l] ? share : share == share ? least[l] : 0.0;
            left[l] = left[l] > 0 ? left[l] : 1.0;
        }
        const vec inverse = one / LOAD_double(left);
        SET(s->inverse, i, inverse);
        for (j = i + 1; j < p; j++)
            SET(s->l, row + j, AT(s->t, row + j) * inverse);
    }
    for (ptrdiff_t i = p - 1; i >= 0; i--) {
        const double *t = s->t + (i * (p + 1) - i * (i - 1) / 2 - i) * VL;
        vec b = AT(t, p);
        for (ptrdiff_t j = i + 1; j < p; j++)
            b -= AT(t, j) * AT(w, j);
        SET(w, i, b * AT(s->inverse, i));
    }
    return LOAD_double(least);
}

/* Norm of c - (G + alpha D) w over that of c. */
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
    double of_r[VL], of_zero[VL];
    STORE(of_r, norm);
    STORE(of_zero, zero);
    for (int l = 0; l < VL; l++)
        relative[l] = of_zero[l] == 0 ? 0.0 : sqrt(of_r[l] / of_zero[l]);
}

/* Row of position u in lane l's group; -1: none. */
FR_INLINE int64_t rolling_row(const rolling_state *s, int l, ptrdiff_t u)
{
    const fr_rolling_block *b = s->blocks + l;
    if (u < b->begin || u >= b->end)
        return -1;
    return s->q->order ? s->q->order[u] : u;
}

/* Fits to the sums of the windows that end at the blocks' row i; -1: the row before. */
static void rolling_fit(rolling_state *s, ptrdiff_t i)
{
    const fr_rolling *q = s->q;
    const ptrdiff_t p = s->p;
    const double *means = s->sums + fr_rolling_means(p) * VL;
    double count[VL], alpha[VL], kept[VL], relative[VL];
    int64_t to[VL];
    STORE(count, AT(s->sums, fr_rolling_total(p) + 1));
    int any = 0, fits[VL];
    for (int l = 0; l < VL; l++) {
        const int64_t row = rolling_row(s, l, s->blocks[l].start + i);
        to[l] = row < 0 || i < 0 ? -1 : q->window_of ? q->window_of[row] : row;
        fits[l] = row >= 0 && count[l] >= q->least;
        any |= fits[l];
    }
    if (any)
        rolling_live(s, fits);
    for (ptrdiff_t a = 0; a < q->n_alphas; a++) {
        double *w = s->w + a * p * VL;
        for (int l = 0; l < VL; l++)
            alpha[l] = !q->alpha_each ? q->alpha[a] : to[l] < 0 ? 1.0 : q->alpha[to[l]];
        if (any) {
            STORE(kept, rolling_solve(s, LOAD_double(alpha), w));
            vec level = AT(means, p) + AT(s->origin, p), far = AT(s->origin, 0) * SPLAT(0.0);
            for (ptrdiff_t j = 0; j < p; j++) {
                level -= AT(means, j) * AT(w, j);
                far += AT(s->origin, j) * AT(w, j);
            }
            SET(s->level, a, level);
            if (q->coef) {
                rolling_certify(s, w, relative);
                SET(s->d, 0, level - far);
            }
        }
        for (int l = 0; l < VL; l++) {
            if (!fits[l])
                s->level[a * VL + l] = (double)NAN;
            if (to[l] < 0)
                continue;
            q->status[to[l] * q->n_alphas + a] =
                (uint8_t)(!fits[l]                   ? FR_WINDOW_NONE
                          : kept[l] > FR_WINDOW_KEEP ? FR_WINDOW_DONE
                                                     : FR_WINDOW_WEAK);
            if (!q->coef)
                continue;
            double *coef = q->coef + to[l] * p;
            for (ptrdiff_t j = 0; j < p; j++)
                coef[j] = fits[l] ? w[j * VL + l] : (double)NAN;
            q->offset[to[l]] = !fits[l] ? (double)NAN : q->intercept ? s->d[l] : 0.0;
            q->gradient[to[l]] = fits[l] ? relative[l] : (double)NAN;
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
    for (int l = 0; l < VL; l++)
        for (ptrdiff_t e = 0; e < size && blocks[l].base; e++)
            s->kept[e * VL + l] = blocks[l].base[e];
}
