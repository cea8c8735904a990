/* The loops of folds_lanes.h, compiled once per instruction set; FR_ISA names the tables. */

#include "lane_types.h"

#include "kernels.h"

enum { REGISTERS = FR_LANES / VL, COLUMNS = 256 /* columns whose sums have type T */ };

#define T double
#include "folds_lanes.template.c"
#undef T
#define T float
#include "folds_lanes.template.c"
#undef T

const fr_fold_kernels FR_CAT(fr_fold_kernels, FR_ISA)[2] = {
    {all_rows_double, all_scatter_double, fold_update_double, fold_direction_double},
    {all_rows_float, all_scatter_float, fold_update_float, fold_direction_float}};
