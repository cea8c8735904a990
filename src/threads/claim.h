/* A flag that one thread at a time can set. */
#ifndef FASTRIDGE_CLAIM_H
#define FASTRIDGE_CLAIM_H

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
typedef volatile long fr_flag;
static inline int fr_claim(fr_flag *flag) { return _InterlockedExchange(flag, 1) == 0; }
static inline void fr_release(fr_flag *flag) { _InterlockedExchange(flag, 0); }
#else
typedef int fr_flag;
static inline int fr_claim(fr_flag *flag)
{
    return __atomic_exchange_n(flag, 1, __ATOMIC_ACQUIRE) == 0;
}
static inline void fr_release(fr_flag *flag) { __atomic_store_n(flag, 0, __ATOMIC_RELEASE); }
#endif

#endif
