/* status.c -- names of the results in kernel.h. */
#include "kernels/kernel.h"

const char *kernel_status_name(enum kernel_status status)
{
    static const char *const names[] = {
        [KERNEL_OK] = "ok",           [KERNEL_INVALID] = "invalid",
        [KERNEL_LIMIT] = "limit",     [KERNEL_UNSUPPORTED] = "unsupported",
        [KERNEL_BUSY] = "busy",       [KERNEL_TIMEOUT] = "timeout",
        [KERNEL_CORRUPT] = "corrupt", [KERNEL_CANCELED] = "canceled",
        [KERNEL_IO] = "io",           [KERNEL_DEVICE] = "device",
    };
    return (size_t)status < sizeof names / sizeof names[0] ? names[status] : "unknown";
}
