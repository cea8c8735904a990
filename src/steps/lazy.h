/* Shared by the files of lazy rows; see lazy.c. */
#ifndef FASTRIDGE_LAZY_H
#define FASTRIDGE_LAZY_H

#include "kernels.h"
#include "steps.h"

enum { FR_POWERS = 16 }; /* sums of powers kept for each step */

/* effect of a step on w and b where the gradient is 0 */
fr_map fr_map_of(const fr_step *s);
/* Apply the steps from a on, with a decay factor for each element: of gradient descent, or those
 * of Adam whose moments no longer move w. */
void fr_decay_each(const fr_lazy *z, const fr_tensor *t, const fr_buffers *row, ptrdiff_t a);

#endif
