/* Decimal text to the nearest double, ties to even, with Python's float() as its grammar. */
#ifndef FASTRIDGE_DECIMAL_H
#define FASTRIDGE_DECIMAL_H

#include <stdint.h>

/* Powers of ten that a finite, positive double may need: any smaller one of 19 digits gives 0. */
#define FR_LEAST_POWER (-342)
#define FR_MOST_POWER 308

/* Set the 128 leading bits of 5^q, rounded down, or up where q is negative. */
void fr_decimal_power(int q, uint64_t high, uint64_t low);

/* w 10^q, correctly rounded. */
double fr_decimal_scale(uint64_t w, int64_t q);

/* Read the whole of [p, end): 1, or 0 where float() would refuse it. Underscores between digits,
 * inf, infinity and nan are numbers; blanks around them are not. */
int fr_decimal(const char *p, const char *end, double *value);

#endif
