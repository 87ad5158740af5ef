// device.cu -- one GPU through the CUDA runtime, which is linked in; cuBLASLt is opened when it is first wanted.
#include "kernels/cuda/device.cuh"

#include <cublasLt.h>
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>

extern "C" __attribute__((format(printf, 3, 4))) enum kernel_status
kernel_fail(struct kernel_error *error, enum kernel_status status, const char *format, ...);

enum {
    WORKSPACE = 64 << 20, // bytes that cuBLASLt may use
    PLANS_MAX = 256       // shapes of products whose algorithm is known
};

// The functions of cuBLASLt that are used, found by name.
struct library {
    void *handle;
    cublasLtHandle_t lt;
    void *workspace;
    decltype(&cublasLtCreate) create;
    decltype(&cublasLtDestroy) destroy;
    decltype(&cublasLtMatmul) matmul;
    decltype(&cublasLtMatmulDescCreate) desc_create;
    decltype(&cublasLtMatmulDescSetAttribute) desc_set;
    decltype(&cublasLtMatrixLayoutCreate) layout_create;
    decltype(&cublasLtMatrixLayoutDestroy) layout_destroy;
    decltype(&cublasLtMatmulPreferenceCreate) preference_create;
    decltype(&cublasLtMatmulPreferenceSetAttribute) preference_set;
    decltype(&cublasLtMatmulAlgoGetHeuristic) heuristic;
    cublasLtMatmulDesc_t desc;
    cublasLtMatmulPreference_t preference;
};

// How a product of one shape is done.
struct plan {
    uint32_t tokens, rows, columns;
    cublasLtMatrixLayout_t weight, x, out;
    cublasLtMatmulAlgo_t algorithm;
    bool known;
};

struct block {
    size_t bytes;
    struct block *next;
    void *at;
};

struct cuda_device {
    cudaStream_t stream;
    cudaError_t error; // the first one
    const char *where;
    cudaDeviceProp about;
    uint64_t memory;
    struct block *blocks;
    bool library_asked, library_there;
    struct library library;
    struct plan plans[PLANS_MAX];
};

struct cuda_graph {
    cudaGraphExec_t exec;
};

void cuda_note(struct cuda_device *device, cudaError_t error, const char *what)
{
    if (error != cudaSuccess && device->error == cudaSuccess) {
        device->error = error;
        device->where = what;
    }
}

cudaStream_t cuda_stream(const struct cuda_device *device)
{
    return device->stream;
}

static void close_library(struct cuda_device *device);

enum kernel_status cuda_device_open(struct cuda_device **out, struct kernel_error *error)
{
    struct cuda_device *device = (struct cuda_device *)calloc(1, sizeof *device);
    if (device == nullptr) {
        return kernel_fail(error, KERNEL_LIMIT, "no memory");
    }
    device->error = cudaSuccess;
    cuda_note(device, cudaSetDevice(0), "cudaSetDevice");
    cuda_note(device, cudaGetDeviceProperties(&device->about, 0), "cudaGetDeviceProperties");
    if (device->error == cudaSuccess) {
        cuda_note(device, cudaStreamCreateWithFlags(&device->stream, cudaStreamNonBlocking), "cudaStreamCreate");
    }
    if (device->error == cudaSuccess && device->about.major < 8) {
        enum kernel_status status =
            kernel_fail(error, KERNEL_UNSUPPORTED, "%s has compute capability %d.%d, 8.0 is the least",
                        device->about.name, device->about.major, device->about.minor);
        cudaStreamDestroy(device->stream);
        free(device);
        return status;
    }
    enum kernel_status status = cuda_wait(device, error);
    if (status != KERNEL_OK) {
        free(device);
        device = nullptr;
    }
    *out = device;
    return status;
}


void cuda_device_close(struct cuda_device *device)
{
    cudaStreamSynchronize(device->stream);
    while (device->blocks != nullptr) {
        cuda_free(device, device->blocks->at);
    }
    close_library(device);
    cudaStreamDestroy(device->stream);
    free(device);
}

void cuda_device_describe(const struct cuda_device *device, char *out, size_t room)
{
    snprintf(out, room, "CUDA: %s, sm_%d%d%s", device->about.name, device->about.major, device->about.minor,
             device->library_there ? ", cuBLASLt" : "");
}

uint32_t cuda_device_processors(const struct cuda_device *device)
{
    return (uint32_t)device->about.multiProcessorCount;
}

// ---- memory ----

void *cuda_allocate(struct cuda_device *device, size_t bytes)
{
    struct block *block = (struct block *)calloc(1, sizeof *block);
    if (block == nullptr || cudaMalloc(&block->at, bytes > 0 ? bytes : 1) != cudaSuccess) {
        (void)cudaGetLastError(); // too little memory is an answer, not a state
        free(block);
        return nullptr;
    }
    cuda_note(device, cudaMemsetAsync(block->at, 0, bytes, device->stream), "cudaMemset");
    block->bytes = bytes;
    block->next = device->blocks;
    device->blocks = block;
    device->memory += bytes;
    return block->at;
}

void cuda_free(struct cuda_device *device, void *memory)
{
    for (struct block **at = &device->blocks; *at != nullptr; at = &(*at)->next) {
        struct block *block = *at;
        if (block->at == memory) {
            *at = block->next;
            device->memory -= block->bytes;
            cuda_note(device, cudaFree(memory), "cudaFree"); // waits for what is queued
            free(block);
            return;
        }
    }
}

uint64_t cuda_memory(const struct cuda_device *device)
{
    return device->memory;
}

void cuda_memory_facts(const struct cuda_device *device, uint64_t *unused, uint64_t *all)
{
    size_t some = 0;
    size_t total = 0;
    (void)device;
    (void)cudaMemGetInfo(&some, &total);
    *unused = some;
    *all = total;
}

void cuda_copy_in(struct cuda_device *device, void *to, const void *from, size_t bytes)
{
    // from memory that is not pinned: staged before the call returns
    cuda_note(device, cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, device->stream), "copy to the GPU");
}

enum kernel_status cuda_wait(struct cuda_device *device, struct kernel_error *error)
{
    if (device->stream != nullptr) {
        cuda_note(device, cudaStreamSynchronize(device->stream), "waiting");
    }
    if (device->error == cudaSuccess) {
        return KERNEL_OK;
    }
    return kernel_fail(error, KERNEL_DEVICE, "the GPU failed: %s (%s, in %s)", cudaGetErrorString(device->error),
                       cudaGetErrorName(device->error), device->where);
}

enum kernel_status cuda_copy_out(struct cuda_device *device, void *to, const void *from, size_t bytes,
                                 struct kernel_error *error)
{
    cuda_note(device, cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, device->stream), "copy from the GPU");
    return cuda_wait(device, error);
}

// ---- recorded steps ----

void cuda_record_begin(struct cuda_device *device)
{
    cuda_note(device, cudaStreamBeginCapture(device->stream, cudaStreamCaptureModeThreadLocal), "begin of a recording");
}

struct cuda_graph *cuda_record_end(struct cuda_device *device)
{
    cudaGraph_t drawn = nullptr;
    struct cuda_graph *graph = (struct cuda_graph *)calloc(1, sizeof *graph);
    cuda_note(device, cudaStreamEndCapture(device->stream, &drawn), "end of a recording");
    if (graph == nullptr || drawn == nullptr || device->error != cudaSuccess) {
        free(graph);
        return nullptr;
    }
    cuda_note(device, cudaGraphInstantiate(&graph->exec, drawn, 0), "making of a graph");
    (void)cudaGraphDestroy(drawn);
    if (device->error != cudaSuccess) {
        free(graph);
        return nullptr;
    }
    return graph;
}

void cuda_replay(struct cuda_device *device, struct cuda_graph *graph)
{
    cuda_note(device, cudaGraphLaunch(graph->exec, device->stream), "replay of a step");
}

void cuda_graph_free(struct cuda_device *device, struct cuda_graph *graph)
{
    cuda_note(device, cudaStreamSynchronize(device->stream), "waiting");
    (void)cudaGraphExecDestroy(graph->exec);
    free(graph);
}

// ---- cuBLASLt ----

static bool find(struct library *library)
{
    library->handle = dlopen("libcublasLt.so.13", RTLD_LAZY | RTLD_LOCAL);
    if (library->handle == nullptr) {
        return false;
    }
#define FIND(member, name)                                                                         \
    library->member = (decltype(library->member))dlsym(library->handle, name);                     \
    if (library->member == nullptr) {                                                              \
        return false;                                                                              \
    }
    FIND(create, "cublasLtCreate")
    FIND(destroy, "cublasLtDestroy")
    FIND(matmul, "cublasLtMatmul")
    FIND(desc_create, "cublasLtMatmulDescCreate")
    FIND(desc_set, "cublasLtMatmulDescSetAttribute")
    FIND(layout_create, "cublasLtMatrixLayoutCreate")
    FIND(layout_destroy, "cublasLtMatrixLayoutDestroy")
    FIND(preference_create, "cublasLtMatmulPreferenceCreate")
    FIND(preference_set, "cublasLtMatmulPreferenceSetAttribute")
    FIND(heuristic, "cublasLtMatmulAlgoGetHeuristic")
#undef FIND
    return true;
}

// Weights are rows: transposed, as columns are what the library counts in.
static bool open_library(struct library *library)
{
    cublasOperation_t transposed = CUBLAS_OP_T;
    uint64_t room = WORKSPACE;
    return find(library) && library->create(&library->lt) == CUBLAS_STATUS_SUCCESS &&
           cudaMalloc(&library->workspace, WORKSPACE) == cudaSuccess &&
           library->desc_create(&library->desc, CUBLAS_COMPUTE_32F, CUDA_R_32F) == CUBLAS_STATUS_SUCCESS &&
           library->desc_set(library->desc, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed) ==
               CUBLAS_STATUS_SUCCESS &&
           library->preference_create(&library->preference) == CUBLAS_STATUS_SUCCESS &&
           library->preference_set(library->preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &room,
                                   sizeof room) == CUBLAS_STATUS_SUCCESS;
}

bool cuda_library_there(const struct cuda_device *given)
{
    struct cuda_device *device = (struct cuda_device *)given; // asked once, remembered
    if (!device->library_asked) {
        device->library_asked = true;
        device->library_there = open_library(&device->library);
        if (!device->library_there) {
            (void)cudaGetLastError();
        }
    }
    return device->library_there;
}

static void forget_plan(struct library *library, struct plan *plan)
{
    cublasLtMatrixLayout_t layouts[] = {plan->weight, plan->x, plan->out};
    for (cublasLtMatrixLayout_t layout : layouts) {
        if (layout != nullptr) {
            library->layout_destroy(layout);
        }
    }
    *plan = {};
}

static void close_library(struct cuda_device *device)
{
    if (device->library.lt != nullptr) {
        for (struct plan &plan : device->plans) {
            forget_plan(&device->library, &plan);
        }
        device->library.destroy(device->library.lt);
    }
    cudaFree(device->library.workspace);
}

static struct plan *plan_of(struct cuda_device *device, uint32_t tokens, uint32_t rows, uint32_t columns)
{
    struct library *library = &device->library;
    uint32_t at = (tokens * 2654435761U ^ rows * 2246822519U ^ columns * 3266489917U) % PLANS_MAX;
    struct plan *plan = &device->plans[at];
    if (plan->known && plan->tokens == tokens && plan->rows == rows && plan->columns == columns) {
        return plan;
    }
    forget_plan(library, plan); // of a shape that shares its place
    cublasLtMatmulHeuristicResult_t found;
    int count = 0;
    if (library->layout_create(&plan->weight, CUDA_R_16BF, columns, rows, columns) != CUBLAS_STATUS_SUCCESS ||
        library->layout_create(&plan->x, CUDA_R_16BF, columns, tokens, columns) != CUBLAS_STATUS_SUCCESS ||
        library->layout_create(&plan->out, CUDA_R_32F, rows, tokens, rows) != CUBLAS_STATUS_SUCCESS ||
        library->heuristic(library->lt, library->desc, plan->weight, plan->x, plan->out, plan->out,
                           library->preference, 1, &found, &count) != CUBLAS_STATUS_SUCCESS ||
        count == 0) {
        return nullptr;
    }
    plan->tokens = tokens;
    plan->rows = rows;
    plan->columns = columns;
    plan->algorithm = found.algo;
    plan->known = true;
    return plan;
}

bool cuda_library_multiply(struct cuda_device *device, const uint16_t *weight, const uint16_t *x, float *out,
                           uint32_t tokens, uint32_t rows, uint32_t columns)
{
    const float one = 1;
    const float none = 0;
    struct plan *plan = plan_of(device, tokens, rows, columns);
    return plan != nullptr &&
           device->library.matmul(device->library.lt, device->library.desc, &one, weight, plan->weight, x, plan->x,
                                  &none, out, plan->out, out, plan->out, &plan->algorithm, device->library.workspace,
                                  WORKSPACE, device->stream) == CUBLAS_STATUS_SUCCESS;
}
