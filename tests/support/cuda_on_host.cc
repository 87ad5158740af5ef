// cuda_on_host.cc -- fibres, warps and a device that is this machine's memory: see cuda_on_host.h.
#include "kernels/cuda/device.cuh"

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <sys/mman.h>
#include <ucontext.h>
#include <vector>

extern "C" enum kernel_status kernel_fail(struct kernel_error *error, enum kernel_status status, const char *format,
                                          ...);

struct cuda_index threadIdx, blockIdx, blockDim;

namespace
{

enum { THREADS_MAX = 1024, STACK = 64 << 10 };
enum wait { READY, AT_BLOCK, AT_WARP, DONE };
enum exchange { NOTHING, VALUE, PRODUCT };

// Where a fibre stands.  On x86-64 seven registers and a jump; ucontext elsewhere, which asks the kernel each time.
#ifdef __x86_64__
struct place {
    void *stack;
};
extern "C" void cuda_host_switch(void **from, void *to);
asm(".text\n"
    ".globl cuda_host_switch\n"
    "cuda_host_switch:\n"
    "push %rbp\n push %rbx\n push %r12\n push %r13\n push %r14\n push %r15\n"
    "mov %rsp, (%rdi)\n"
    "mov %rsi, %rsp\n"
    "pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbx\n pop %rbp\n"
    "ret\n");

void go(place *from, place *to) { cuda_host_switch(&from->stack, to->stack); }

void start_at(place *place, char *stack, size_t bytes, void (*function)())
{
    void **top = (void **)(stack + bytes) - 2; // aligned as if `function` had been called
    top[0] = (void *)function;
    top[1] = nullptr;
    place->stack = top - 6;
}
#else
struct place {
    ucontext_t context;
};

void go(place *from, place *to) { swapcontext(&from->context, &to->context); }

void start_at(place *place, char *stack, size_t bytes, void (*function)())
{
    getcontext(&place->context);
    place->context.uc_stack.ss_sp = stack;
    place->context.uc_stack.ss_size = bytes;
    place->context.uc_link = nullptr;
    makecontext(&place->context, function, 0);
}
#endif

struct fibre {
    struct place place;
    enum wait wait;
    enum exchange what;
    uint64_t value, got;
    int other;
    uint32_t a[4], b[2];
    float *sum;
};

std::mutex running; // one launch at a time: the shared memory of a kernel is a static variable
fibre fibres[THREADS_MAX];
place scheduler;
char *stacks;
uint32_t current, count;
const std::function<void()> *body;

void leave(enum wait wait)
{
    fibres[current].wait = wait;
    go(&fibres[current].place, &scheduler);
}

void run_body()
{
    (*body)();
    fibres[current].wait = DONE;
    go(&fibres[current].place, &scheduler);
}

float low(uint32_t word) { return __uint_as_float(word << 16); }
float high(uint32_t word) { return __uint_as_float(word & 0xffff0000U); }

// mma.m16n8k16 as the PTX manual draws it.
void multiply_warp(fibre *warp)
{
    static float left[16][16];
    static float right[16][8];
    for (int lane = 0; lane < LANES; lane++) {
        int g = lane / 4;
        int t = lane % 4;
        const fibre &f = warp[lane];
        for (int i = 0; i < 4; i++) {
            int row = g + i % 2 * 8;
            int column = 2 * t + i / 2 * 8;
            left[row][column] = low(f.a[i]);
            left[row][column + 1] = high(f.a[i]);
        }
        for (int i = 0; i < 2; i++) {
            right[2 * t + i * 8][g] = low(f.b[i]);
            right[2 * t + i * 8 + 1][g] = high(f.b[i]);
        }
    }
    for (int lane = 0; lane < LANES; lane++) {
        for (int c = 0; c < 4; c++) {
            int row = lane / 4 + c / 2 * 8;
            int column = lane % 4 * 2 + c % 2;
            float sum = 0;
            for (int k = 0; k < 16; k++) {
                sum += left[row][k] * right[k][column];
            }
            warp[lane].sum[c] += sum;
        }
    }
}

// All lanes that still live have come to the same place.
void let_warp_go(uint32_t first)
{
    fibre *warp = &fibres[first];
    enum exchange what = NOTHING;
    uint32_t there = 0;
    for (uint32_t lane = 0; lane < LANES && first + lane < count; lane++) {
        if (warp[lane].wait == AT_WARP) {
            if (there > 0 && warp[lane].what != what) {
                fprintf(stderr, "lanes of a warp wait for different things\n");
                abort();
            }
            what = warp[lane].what;
            there++;
        }
    }
    if (what != NOTHING && there != LANES) {
        fprintf(stderr, "%u lanes of a warp exchange what 32 must\n", there);
        abort();
    }
    if (what == VALUE) {
        for (uint32_t lane = 0; lane < LANES; lane++) {
            warp[lane].got = warp[lane ^ (uint32_t)warp[lane].other].value;
        }
    } else if (what == PRODUCT) {
        multiply_warp(warp);
    }
    for (uint32_t lane = 0; lane < LANES && first + lane < count; lane++) {
        warp[lane].wait = warp[lane].wait == AT_WARP ? READY : warp[lane].wait;
    }
}

bool run_ready(uint32_t first, uint32_t end)
{
    bool any = false;
    for (uint32_t i = first; i < end; i++) {
        if (fibres[i].wait == READY) {
            current = i;
            threadIdx = {i, 0, 0};
            go(&scheduler, &fibres[i].place);
            any = true;
        }
    }
    return any;
}

// A warp goes on until all its lanes are done or wait for the block.
void run_warp(uint32_t first)
{
    uint32_t end = first + LANES < count ? first + LANES : count;
    for (;;) {
        while (run_ready(first, end)) {
        }
        bool waits = false;
        for (uint32_t i = first; i < end; i++) {
            waits = waits || fibres[i].wait == AT_WARP;
        }
        if (!waits) {
            return;
        }
        let_warp_go(first);
    }
}

void run_block()
{
    if (stacks == nullptr) {
        stacks = (char *)mmap(nullptr, (size_t)THREADS_MAX * STACK, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    }
    for (uint32_t i = 0; i < count; i++) {
        start_at(&fibres[i].place, stacks + (size_t)i * STACK, STACK, run_body);
        fibres[i].wait = READY;
    }
    for (;;) {
        uint32_t waiting = 0;
        for (uint32_t first = 0; first < count; first += LANES) {
            run_warp(first);
        }
        for (uint32_t i = 0; i < count; i++) {
            if (fibres[i].wait == AT_BLOCK) {
                fibres[i].wait = READY;
                waiting++;
            }
        }
        if (waiting == 0) {
            return;
        }
    }
}

} // namespace

void __syncthreads() { leave(AT_BLOCK); }

void __syncwarp()
{
    fibres[current].what = NOTHING;
    leave(AT_WARP);
}

uint64_t lanes_from(uint64_t value, int other)
{
    fibre &f = fibres[current];
    f.what = VALUE;
    f.value = value;
    f.other = other;
    leave(AT_WARP);
    return f.got;
}

void lanes_multiply(float (&sum)[4], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3, uint32_t b0, uint32_t b1)
{
    fibre &f = fibres[current];
    f.what = PRODUCT;
    f.a[0] = a0;
    f.a[1] = a1;
    f.a[2] = a2;
    f.a[3] = a3;
    f.b[0] = b0;
    f.b[1] = b1;
    f.sum = sum;
    leave(AT_WARP);
}

// ---- the device ----

struct launch {
    dim3 grid;
    uint32_t threads;
    std::function<void()> kernel;
};

struct cuda_graph {
    std::vector<launch> launches;
};

struct cuda_device {
    uint64_t memory;
    struct cuda_graph *recording;
    long launches_left; // then the device is gone, as if somebody had pulled it out
};

// REEVE_CUDA_ON_HOST_LAUNCHES=N: for tests of what happens then.
static long launches_given()
{
    const char *text = getenv("REEVE_CUDA_ON_HOST_LAUNCHES");
    return text != nullptr ? atol(text) : LONG_MAX;
}

static void run(struct cuda_device *device, const launch &what)
{
    std::lock_guard<std::mutex> lock(running);
    if (device->launches_left == 0) {
        return;
    }
    device->launches_left--;
    count = what.threads;
    body = &what.kernel;
    blockDim = {what.threads, 1, 1};
    for (uint32_t z = 0; z < what.grid.z; z++) {
        for (uint32_t y = 0; y < what.grid.y; y++) {
            for (uint32_t x = 0; x < what.grid.x; x++) {
                blockIdx = {x, y, z};
                run_block();
            }
        }
    }
}

void cuda_host_launch(struct cuda_device *device, dim3 grid, uint32_t threads, std::function<void()> kernel)
{
    // the limits of CUDA
    if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > INT32_MAX || grid.y > 65535 || grid.z > 65535 ||
        threads == 0 || threads > THREADS_MAX) {
        fprintf(stderr, "a grid of %u x %u x %u blocks of %u threads\n", grid.x, grid.y, grid.z, threads);
        abort();
    }
    launch what = {grid, threads, kernel};
    if (device->recording != nullptr) {
        device->recording->launches.push_back(what);
    } else {
        run(device, what);
    }
}

enum kernel_status cuda_device_open(struct cuda_device **out, struct kernel_error *error)
{
    (void)error;
    *out = new cuda_device();
    (*out)->launches_left = launches_given();
    return KERNEL_OK;
}

void cuda_device_close(struct cuda_device *device) { delete device; }

void cuda_device_describe(const struct cuda_device *device, char *out, size_t room)
{
    (void)device;
    snprintf(out, room, "CUDA's kernels on this machine's processor");
}

uint32_t cuda_device_processors(const struct cuda_device *device)
{
    (void)device;
    return 2; // so that some steps are split and others not
}

struct block {
    size_t bytes;
    alignas(256) char at[];
};

void *cuda_allocate(struct cuda_device *device, size_t bytes)
{
    struct block *block = (struct block *)aligned_alloc(256, (sizeof(struct block) + bytes + 255) / 256 * 256);
    if (block == nullptr) {
        return nullptr;
    }
    block->bytes = bytes;
    memset(block->at, 0, bytes);
    device->memory += bytes;
    return block->at;
}

void cuda_free(struct cuda_device *device, void *memory)
{
    if (memory != nullptr) {
        struct block *block = (struct block *)((char *)memory - offsetof(struct block, at));
        device->memory -= block->bytes;
        free(block);
    }
}

uint64_t cuda_memory(const struct cuda_device *device) { return device->memory; }

void cuda_memory_facts(const struct cuda_device *device, uint64_t *unused, uint64_t *all)
{
    (void)device;
    *unused = *all = 0;
}

void cuda_copy_in(struct cuda_device *device, void *to, const void *from, size_t bytes)
{
    (void)device;
    memcpy(to, from, bytes);
}

enum kernel_status cuda_wait(struct cuda_device *device, struct kernel_error *error)
{
    return device->launches_left > 0 ? KERNEL_OK
                                     : kernel_fail(error, KERNEL_DEVICE, "the GPU failed: it is gone (a test)");
}

enum kernel_status cuda_copy_out(struct cuda_device *device, void *to, const void *from, size_t bytes,
                                 struct kernel_error *error)
{
    memcpy(to, from, bytes);
    return cuda_wait(device, error);
}

void cuda_record_begin(struct cuda_device *device) { device->recording = new cuda_graph(); }

struct cuda_graph *cuda_record_end(struct cuda_device *device)
{
    struct cuda_graph *graph = device->recording;
    device->recording = nullptr;
    return graph;
}

void cuda_replay(struct cuda_device *device, struct cuda_graph *graph)
{
    for (const launch &what : graph->launches) {
        run(device, what);
    }
}

void cuda_graph_free(struct cuda_device *device, struct cuda_graph *graph)
{
    (void)device;
    delete graph;
}

bool cuda_library_there(const struct cuda_device *device)
{
    (void)device;
    return true;
}

// What cuBLASLt computes, as plainly as possible.
static void library(const uint16_t *weight, const uint16_t *x, float *out, uint32_t tokens, uint32_t rows,
                    uint32_t columns)
{
    for (uint32_t t = 0; t < tokens; t++) {
        for (uint32_t r = 0; r < rows; r++) {
            float sum = 0;
            for (uint32_t c = 0; c < columns; c++) {
                sum += low(weight[(size_t)r * columns + c]) * low(x[(size_t)t * columns + c]);
            }
            out[(size_t)t * rows + r] = sum;
        }
    }
}

bool cuda_library_multiply(struct cuda_device *device, const uint16_t *weight, const uint16_t *x, float *out,
                           uint32_t tokens, uint32_t rows, uint32_t columns)
{
    if (device->recording != nullptr) {
        return false;
    }
    library(weight, x, out, tokens, rows, columns);
    return true;
}
