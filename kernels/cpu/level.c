/* level.c -- what this processor can do, asked once. */
#include "kernels/cpu/cpu.h"

#include <sys/syscall.h>
#include <unistd.h>

#ifdef __x86_64__
#    include <cpuid.h>

enum {
    ARCH_REQ_XCOMP_PERM = 0x1023, /* <asm/prctl.h> of Linux 5.16 */
    TILE_DATA = 18,               /* the state component of tiles */
    /* cpuid 7.0, edx */
    AMX_BF16 = 1 << 22,
    AMX_TILE = 1 << 24,
    AMX_INT8 = 1 << 25
};

/* Tiles are a state of eight kilobytes that a process asks for; threads started later have it. */
static bool tiles_granted(void)
{
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    const unsigned all = AMX_BF16 | AMX_TILE | AMX_INT8;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & all) != all) {
        return false;
    }
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0;
}

enum cpu_level cpu_level_best(void)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
        return CPU_PLAIN;
    }
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512dq") ||
        !__builtin_cpu_supports("avx512vnni")) {
        return CPU_AVX2;
    }
    return __builtin_cpu_supports("avx512bf16") && tiles_granted() ? CPU_AMX : CPU_AVX512;
}

const struct cpu_level_table *cpu_level_table(enum cpu_level level)
{
    static const struct cpu_level_table tables[] = {
        [CPU_PLAIN] = {"plain", &cpu_plain_base, cpu_dot_base, NULL, NULL},
        [CPU_AVX2] = {"AVX2", &cpu_plain_avx2, cpu_dot_avx2, NULL, NULL},
        [CPU_AVX512] = {"AVX-512 VNNI", &cpu_plain_avx512, cpu_dot_avx512, NULL, NULL},
        [CPU_AMX] = {"AMX", &cpu_plain_avx512, cpu_matrix_amx, cpu_matrix_amx_halves,
                     cpu_prepare_amx_halves},
    };
    return &tables[level];
}

#else

enum cpu_level cpu_level_best(void)
{
    return CPU_PLAIN;
}

const struct cpu_level_table *cpu_level_table(enum cpu_level level)
{
    static const struct cpu_level_table plain = {"plain", &cpu_plain_base, cpu_dot_base, NULL,
                                                 NULL};
    (void)level;
    return &plain;
}

#endif
