/* Products with the second derivatives of a multinomial loss by pairs of a feature and a class. */

#include "pairs.h"

#include <string.h>

#include "access.h"
#include "parallel.h"

typedef struct {
    const fr_pair_rows *q;
    const double *v, *constant;
    double *room;
    ptrdiff_t parts;
} product_job;

void fr_take_pairs(const fr_matrix *a, const int32_t *features, fr_pair_rows *q)
{
    ptrdiff_t *start = q->start;
    memset(start, 0, (size_t)(q->n + 2) * sizeof(ptrdiff_t));
    /* counts are stored two positions ahead; filling advances those one ahead, which become the
     * starts */
    for (ptrdiff_t e = 0; e < q->m; e++)
        for (ptrdiff_t k = pointer(a, features[e]); k < pointer(a, features[e] + 1); k++)
            start[index_at(a, k) + 2]++;
    for (ptrdiff_t i = 0; i < q->n; i++)
        start[i + 2] += start[i + 1];
    for (ptrdiff_t e = 0; e < q->m; e++)
        for (ptrdiff_t k = pointer(a, features[e]); k < pointer(a, features[e] + 1); k++) {
            const ptrdiff_t at = start[index_at(a, k) + 1]++;
            q->place[at] = (int32_t)e;
            q->value[at] = value_at(a, k);
        }
}

static void product_task(void *context, ptrdiff_t part)
{
    const product_job *job = context;
    const fr_pair_rows *q = job->q;
    const ptrdiff_t k = q->k, m = q->m;
    const ptrdiff_t i0 = q->n * part / job->parts, i1 = q->n * (part + 1) / job->parts;
    const int32_t *FR_RESTRICT one = q->one, *FR_RESTRICT place = q->place;
    const double *FR_RESTRICT v = job->v, *FR_RESTRICT value = q->value;
    double *FR_RESTRICT out = job->room + part * (m + k), *FR_RESTRICT total = out + m;
    double t[FR_MOST_PAIR_CLASSES];
    memset(out, 0, (size_t)(m + k) * sizeof(double));
    for (ptrdiff_t i = i0; i < i1; i++) {
        const ptrdiff_t from = q->start[i], end = q->start[i + 1];
        const double *FR_RESTRICT p = q->prob + i * k;
        const double w = q->w[i];
        double mean = 0.0;
        if (w == 0) /* its values may overflow */
            continue;
        memcpy(t, job->constant, (size_t)k * sizeof(double));
        for (ptrdiff_t e = from; e < end; e++)
            t[one[place[e]]] += value[e] * v[place[e]];
        for (ptrdiff_t c = 0; c < k; c++)
            mean += p[c] * t[c];
        for (ptrdiff_t c = 0; c < k; c++) {
            t[c] = w * (p[c] * (t[c] - mean) + q->damping * t[c]);
            total[c] += t[c];
        }
        for (ptrdiff_t e = from; e < end; e++)
            out[place[e]] += value[e] * t[one[place[e]]];
    }
}

int fr_pair_product(const fr_pair_rows *q, const double *v, const double *constant, double *out,
                    double *total, double *room, int n_threads)
{
    const ptrdiff_t m = q->m, k = q->k;
    const double size = (double)q->start[q->n] + (double)q->n * (double)k;
    product_job job = {q, v, constant, room, 1};
    if (size >= 2.0 * PART_WORK)
        job.parts = MIN((ptrdiff_t)(size / PART_WORK), FR_PAIR_PARTS);
    const int status = fr_parallel(product_task, &job, job.parts, fr_threads_for(size, n_threads));
    memcpy(out, room, (size_t)m * sizeof(double));
    memcpy(total, room + m, (size_t)k * sizeof(double));
    for (ptrdiff_t part = 1; part < job.parts; part++) {
        const double *more = room + part * (m + k);
        for (ptrdiff_t e = 0; e < m; e++)
            out[e] += more[e];
        for (ptrdiff_t c = 0; c < k; c++)
            total[c] += more[m + c];
    }
    return status;
}
