/* Skipped steps of rows whose decay has a factor per element.
 *
 * With a factor f per element, the map of a step differs between elements, so products of maps
 * cannot be shared. Without momentum, steps that take x_s * f off w leave prod_s (1 - x_s * f) =
 * exp(-sum_p f^p / p * sum_s x_s^p) of it, whose sums of powers are kept as prefix sums; for x_s
 * * f up to SMALL, the error of FR_POWERS terms is below the round-off of any product that does
 * not underflow. Otherwise runs of equal steps are raised to their power, element by element.
 * Adam replays the steps whose moments still move w, a number that its betas bound, and applies
 * the decay of the others in this form.
 */
#include "lazy.h"

#include <math.h>

#include "access.h"

#define SMALL 0.0625

/* Maps of BLOCK elements, each with its own factor. */
enum { BLOCK = 32 };
typedef struct {
    double ww[BLOCK], wb[BLOCK], bw[BLOCK], bb[BLOCK];
} maps;

/* a = b a for each element; without momentum, w alone */
static void multiply(maps *a, const maps *b, int momentum)
{
    if (!momentum) {
        for (int i = 0; i < BLOCK; i++)
            a->ww[i] *= b->ww[i];
        return;
    }
    for (int i = 0; i < BLOCK; i++) {
        const double ww = a->ww[i], wb = a->wb[i], bw = a->bw[i], bb = a->bb[i];
        a->ww[i] = b->ww[i] * ww + b->wb[i] * bw;
        a->wb[i] = b->ww[i] * wb + b->wb[i] * bb;
        a->bw[i] = b->bw[i] * ww + b->bb[i] * bw;
        a->bb[i] = b->bw[i] * wb + b->bb[i] * bb;
    }
}

/* a = b^n a */
static void multiply_power(maps *a, maps *b, ptrdiff_t n, int momentum)
{
    for (; n > 0; n >>= 1) {
        if (n & 1)
            multiply(a, b, momentum);
        if (n > 1) {
            const maps square = *b;
            multiply(b, &square, momentum);
        }
    }
}

/* Multiply w by what the steps from a on leave of it, ignoring their moments; by 0 where one
 * step takes too much off for the sums of powers. n elements, up to BLOCK. */
static int decay_by_powers(const fr_lazy *z, const fr_tensor *t, const fr_buffers *row, ptrdiff_t a,
                           ptrdiff_t from, const double *factor, ptrdiff_t n)
{
    const double *last = z->powers + (z->count - 1) * FR_POWERS;
    const double *before = a ? z->powers + (a - 1) * FR_POWERS : NULL;
    double c[FR_POWERS], largest = 0.0;
    for (ptrdiff_t j = 0; j < n; j++)
        largest = fmax(largest, fabs(factor[j]));
    if (!(z->most_taken * largest <= SMALL))
        return 0;
    for (int p = 0; p < FR_POWERS; p++)
        c[p] = (last[p] - (before ? before[p] : 0.0)) / (p + 1);
    for (ptrdiff_t j = 0; j < n; j++) {
        double sum = 0.0;
        for (int p = FR_POWERS - 1; p >= 0; p--)
            sum = (sum + c[p]) * factor[j];
        if (t->real == FR_FLOAT)
            ((float *)row->w)[from + j] *= (float)exp(-sum);
        else
            ((double *)row->w)[from + j] *= exp(-sum);
    }
    return 1;
}

/* Steps from a on, with a decay factor for each element: of gradient descent, or those of Adam
 * whose moments no longer move w. */
void fr_decay_each(const fr_lazy *z, const fr_tensor *t, const fr_buffers *row, ptrdiff_t a)
{
    const int single = t->real == FR_FLOAT;
    const int momentum = z->history[a].kind == FR_MOMENTUM;
    for (ptrdiff_t i = 0; i < z->width; i += BLOCK) {
        const ptrdiff_t n = MIN(BLOCK, z->width - i);
        double factor[BLOCK] = {0.0};
        maps all, one;
        for (ptrdiff_t j = 0; j < n; j++)
            factor[j] = single ? (double)((const float *)row->factor)[i + j]
                               : ((const double *)row->factor)[i + j];
        if (!momentum && decay_by_powers(z, t, row, a, i, factor, n))
            continue;
        for (int j = 0; j < BLOCK; j++) {
            all.ww[j] = all.bb[j] = 1.0;
            all.wb[j] = all.bw[j] = 0.0;
        }
        for (ptrdiff_t from = a; from < z->count;) {
            ptrdiff_t low = from + 1, high = z->count;
            while (low < high) {
                /* same does not decrease: the run of `from` ends where it does */
                const ptrdiff_t k = (low + high) / 2;
                if (z->same[k] <= from)
                    low = k + 1;
                else
                    high = k;
            }
            const fr_step *s = &z->history[from];
            for (int j = 0; j < BLOCK; j++) {
                fr_step each = *s;
                each.couple *= factor[j];
                each.drop *= s->couple != 0.0 ? 0.0 : factor[j];
                const fr_map m = fr_map_of(&each);
                one.ww[j] = m.ww;
                one.wb[j] = m.wb;
                one.bw[j] = m.bw;
                one.bb[j] = m.bb;
            }
            multiply_power(&all, &one, low - from, momentum);
            from = low;
        }
        for (ptrdiff_t j = 0; j < n; j++) {
            const ptrdiff_t k = i + j;
            if (single) {
                float *w = row->w, *b = row->m;
                const double p = w[k], q = momentum ? b[k] : 0.0;
                w[k] = (float)(all.ww[j] * p + all.wb[j] * q);
                if (momentum)
                    b[k] = (float)(all.bw[j] * p + all.bb[j] * q);
            } else {
                double *w = row->w, *b = row->m;
                const double p = w[k], q = momentum ? b[k] : 0.0;
                w[k] = all.ww[j] * p + all.wb[j] * q;
                if (momentum)
                    b[k] = all.bw[j] * p + all.bb[j] * q;
            }
        }
    }
}
