#include "extrapolate.h"

#include <math.h>

int fr_extrapolation(const double *past, ptrdiff_t m, double *weight)
{
    double k[FR_HISTORY][FR_HISTORY], x[FR_HISTORY], sum = 0, trace = 0;
    enum { N = FR_HISTORY - 1 };
    for (int a = 0; a < N; a++)
        for (int b = 0; b <= a; b++) {
            const double *pa = past + a * m, *pb = past + b * m;
            double v = 0;
            for (ptrdiff_t j = 0; j < m; j++)
                v += (pa[m + j] - pa[j]) * (pb[m + j] - pb[j]);
            k[a][b] = k[b][a] = v;
        }
    for (int a = 0; a < N; a++)
        trace += k[a][a];
    if (!(trace > 0))
        return 0;
    for (int a = 0; a < N; a++) {
        k[a][a] += 1e-12 * trace;
        x[a] = 1;
    }
    for (int a = 0; a < N; a++)
        for (int b = a + 1; b < N; b++) {
            const double t = k[b][a] / k[a][a];
            for (int c = a; c < N; c++)
                k[b][c] -= t * k[a][c];
            x[b] -= t * x[a];
        }
    for (int a = N - 1; a >= 0; a--) {
        for (int b = a + 1; b < N; b++)
            x[a] -= k[a][b] * x[b];
        x[a] /= k[a][a];
        sum += x[a];
    }
    if (!(fabs(sum) > 0) || !isfinite(sum))
        return 0;
    for (int a = 0; a < N; a++)
        weight[a] = x[a] / sum;
    return 1;
}
