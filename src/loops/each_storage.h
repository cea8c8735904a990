/* Include TEMPLATE for every type of values S and index width of compressed rows; PICK(f, x)
 * chooses f_T_S_IX by the storage of x. No include guard: included once per type T. */
#define S double
#include "each_index.h"
#undef S
#define S float
#include "each_index.h"
#undef S
#define S ones
#include "each_index.h"
#undef S

#ifndef PICK
#define PICK_INDEX(f, S, x) ((x)->index ? FR_CAT3(f, S, i64) : FR_CAT3(f, S, i32))
#define PICK(f, x)                                                                                 \
    ((x)->real == FR_ONES    ? PICK_INDEX(FR_CAT(f, T), ones, x)                                   \
     : (x)->real == FR_FLOAT ? PICK_INDEX(FR_CAT(f, T), float, x)                                  \
                             : PICK_INDEX(FR_CAT(f, T), double, x))
#endif
