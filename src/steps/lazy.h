/* What the files of lazy rows share; see lazy.c. */
#ifndef FASTRIDGE_LAZY_H
#define FASTRIDGE_LAZY_H

#include "kernels.h"
#include "steps.h"

enum { FR_POWERS = 16 }; /* sums of powers that are kept for each step */

/* what a step does to w and b where the gradient is 0 */
fr_map fr_map_of(const fr_step *s);
/* The steps from a on, with a factor of the decay for each element: of gradient descent, or those of
 * Adam whose moments do not move w any more. */
void fr_decay_each(const fr_lazy *z, const fr_tensor *t, const fr_buffers *row, ptrdiff_t a);

#endif
