/* Choose the table of kernels for this CPU. */

#include <string.h>

#include "compiler.h"
#include "kernels.h"

#if defined(_MSC_VER) && !defined(__clang__) && defined(FR_HAVE_AVX2)
#include <immintrin.h>
#include <intrin.h>
#endif

static int always(void) { return 1; }

#ifdef FR_HAVE_AVX2
#if defined(_MSC_VER) && !defined(__clang__)
static int cpu_has(int avx512)
{
    int r[4];
    __cpuid(r, 0);
    if (r[0] < 7)
        return 0;
    __cpuidex(r, 1, 0);
    const int osxsave = r[2] >> 27 & 1, avx = r[2] >> 28 & 1, fma = r[2] >> 12 & 1;
    if (!osxsave || !avx || !fma)
        return 0;
    const unsigned long long saved = _xgetbv(0);
    __cpuidex(r, 7, 0);
    if (!(r[1] >> 5 & 1) || !(r[1] >> 8 & 1) || (saved & 6) != 6)
        return 0;
    /* avx512: f, dq, cd, bw, vl, and the operating system saves the registers */
    const unsigned wanted = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;
    return !avx512 || (((unsigned)r[1] & wanted) == wanted && (saved & 0xe6) == 0xe6);
}
static int has_avx2(void) { return cpu_has(0); }
static int has_avx512(void) { return cpu_has(1); }
#else
static int has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}
static int has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl");
}
#endif
#endif

static const struct {
    const char *name;
    const fr_kernels *table;
    int (*usable)(void);
} known[] = {
    {"plain", &fr_kernels_plain, always},
    {"baseline", &fr_kernels_baseline, always},
#ifdef FR_HAVE_AVX2
    {"avx2", &fr_kernels_avx2, has_avx2},
#ifdef FR_HAVE_AVX512
    {"avx512", &fr_kernels_avx512, has_avx512},
#endif
#endif
};

static FR_ATOMIC(const fr_kernels *) active = NULL;

int fr_isa_count(void) { return (int)(sizeof known / sizeof *known); }
const char *fr_isa_name(int i) { return known[i].name; }
int fr_isa_usable(int i) { return known[i].usable(); }
const fr_kernels *fr_active(void) { return active; }

/* name NULL: the widest supported. Returns 0, or -1 for an unsupported name. */
int fr_isa_select(const char *name)
{
    for (int i = fr_isa_count() - 1; i >= 0; i--)
        if ((name == NULL || strcmp(name, known[i].name) == 0) && known[i].usable()) {
            active = known[i].table;
            return 0;
        }
    return -1;
}
