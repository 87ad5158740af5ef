/* step.c -- the network of model.py, forward and back, for a processor with AMX.
 *
 * The same mathematics as PyTorch runs it, five times as fast: a small network spends its time
 * there in moving activations about, here those of one case stay in the cache of the core. Products
 * have bfloat16 factors and float32 sums; the stream, the norms and the gradients are float32.  One
 * `step` belongs to one thread.  train.py builds this file where the processor has AMX, compares it
 * with PyTorch on a batch before it trusts it, and goes without it elsewhere.
 *
 * All sizes are multiples of 32: rows are padded, and what is padded has no weight in the loss.
 * Factors of a product lie as the tiles want them: the left one by rows, the right one in pairs of
 * rows ("packed": [k / 2][n][2]).  Intel, "Intrinsics for AMX", and Vaswani et al. 2017, Su et al.
 * 2021, Shazeer 2020 for the layers.
 */
#include <assert.h>
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    BLOCK = 32,
    LAYERS_MAX = 16,
    ROWS_MAX = 64, /* cases at a time */
    HELD_MAX = 32 + 32 * LAYERS_MAX,
    ROOM = 2,               /* contexts that those take together */
    XCOMP_REQUEST = 0x1023, /* arch_prctl: ask the kernel for the tiles' registers */
    XCOMP_TILES = 18,
};

typedef uint16_t half; /* bfloat16 */

struct matrix { /* [out][in] of the flat vector, and both packed forms */
    size_t at;
    int out, in;
    half *forward;  /* right factor of x W^T */
    half *backward; /* right factor of dy W */
};

struct block {
    size_t attn_norm, ffn_norm;
    struct matrix q, k, v, o, gate, up, down;
    half *prefix_k, *prefix_v; /* [heads][prefix][head] */
};

/* One case among those that go together: keys of its `rows` tokens stand from `start` on; questions
 * are asked by its last `asked` tokens, and those stand from `ask` on. */
struct part {
    int start, rows, ask, asked;
    size_t p; /* where its attention is kept, a head's before the next head's */
};

struct parts {
    int count, rows, asked; /* in all */
    struct part part[ROWS_MAX];
};

struct kept { /* of the way forward, a layer each */
    float *x, *attn_scale, *middle, *ffn_scale, *g, *u;
    half *y, *asking, *q, *k, *v, *p, *o, *y2, *h; /* asking: the part of y that asks */
};

struct step {
    int vocab, width, layers, heads, head, hidden, context, prefix;
    float epsilon;
    size_t output_norm, weights;
    struct matrix embd;
    struct block block[LAYERS_MAX];
    struct kept kept[LAYERS_MAX];
    const float *flat;
    int32_t *prefix_tokens;
    float *cos, *sin; /* [context][head / 2] */
    /* scratch */
    float *x, *dx, *a, *b, *c, *scores, *last_scale; /* x, dx: the stream and its gradient */
    half *s, *t, *w, *pack, *turned, *z;
    int held;
    void *hold[HELD_MAX];
};

static size_t up32(size_t n)
{
    return (n + BLOCK - 1) / BLOCK * BLOCK;
}

static void *zeros(size_t bytes)
{
    void *found = aligned_alloc(64, (bytes + 63) / 64 * 64);
    assert(found);
    return memset(found, 0, bytes);
}

/* Zeros that live as long as the step. */
static void *room(struct step *s, size_t bytes)
{
    assert(s->held < HELD_MAX);
    return s->hold[s->held++] = zeros(bytes);
}

/* ---- products ---- */

/* GCC's intrinsics do not say that tiles read and write memory: nothing may be moved across. */
static inline void settled(void)
{
    __asm__ volatile("" ::: "memory");
}

static void tiles_begin(void)
{
    static const struct {
        uint8_t palette, start, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } config = {1, 0, {0}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
    settled();
    _tile_loadconfig(&config);
}

/* c [m][n] = or += a [m][k] b (packed, n wide) */
static void product(int m, int n, int k, const half *a, int lda, const half *b, int ldb, float *c,
                    int ldc, int add)
{
    settled();
    for (int j = 0; j < n; j += BLOCK) {
        for (int i = 0; i < m; i += BLOCK) {
            float *at = c + (size_t)i * ldc + j;
            if (add) {
                _tile_loadd(0, at, ldc * 4);
                _tile_loadd(1, at + 16, ldc * 4);
                _tile_loadd(2, at + (size_t)16 * ldc, ldc * 4);
                _tile_loadd(3, at + (size_t)16 * ldc + 16, ldc * 4);
            } else {
                _tile_zero(0);
                _tile_zero(1);
                _tile_zero(2);
                _tile_zero(3);
            }
            for (int l = 0; l < k; l += BLOCK) {
                const half *left = a + (size_t)i * lda + l, *right = b + (size_t)l * ldb + 2 * j;
                _tile_loadd(4, left, lda * 2);
                _tile_loadd(5, left + (size_t)16 * lda, lda * 2);
                _tile_loadd(6, right, ldb * 4);
                _tile_loadd(7, right + 32, ldb * 4);
                _tile_dpbf16ps(0, 4, 6);
                _tile_dpbf16ps(1, 4, 7);
                _tile_dpbf16ps(2, 5, 6);
                _tile_dpbf16ps(3, 5, 7);
            }
            _tile_stored(0, at, ldc * 4);
            _tile_stored(1, at + 16, ldc * 4);
            _tile_stored(2, at + (size_t)16 * ldc, ldc * 4);
            _tile_stored(3, at + (size_t)16 * ldc + 16, ldc * 4);
        }
    }
    settled();
}

static void halve(const float *from, half *to, size_t count)
{
    for (size_t i = 0; i < count; i += 16) {
        __m256bh h = _mm512_cvtneps_pbh(_mm512_loadu_ps(from + i));
        _mm256_storeu_si256((__m256i *)(to + i), (__m256i)h);
    }
}

/* [k][n] -> packed */
static void pack(const half *from, int ld, half *to, int k, int n)
{
    for (int i = 0; i < k; i += 2) {
        const half *one = from + (size_t)i * ld, *two = one + ld;
        uint32_t *out = (uint32_t *)(to + (size_t)i * n);
        for (int j = 0; j < n; j++) {
            out[j] = (uint32_t)two[j] << 16 | one[j];
        }
    }
}

static void turn_words(const uint32_t *from, int ld, uint32_t *to, int ldt, int rows, int columns)
{
    __m512i steps =
        _mm512_mullo_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
                           _mm512_set1_epi32(ld));
    for (int r = 0; r < rows; r += 16) {
        for (int c = 0; c < columns; c++) {
            _mm512_storeu_si512(to + (size_t)c * ldt + r,
                                _mm512_i32gather_epi32(steps, from + (size_t)r * ld + c, 4));
        }
    }
}

/* [n][k] -> packed form of its transpose, [k / 2][n][2] */
static void pack_turned(const half *from, int ld, half *to, int n, int k)
{
    turn_words((const uint32_t *)from, ld / 2, (uint32_t *)to, n, n, k / 2);
}

/* [rows][columns] -> [columns][rows]; `scratch` for rows * columns */
static void turn(const half *from, int ld, half *to, half *scratch, int rows, int columns)
{
    pack(from, ld, scratch, rows, columns);
    turn_words((const uint32_t *)scratch, columns, (uint32_t *)to, rows / 2, rows / 2, columns);
}

/* ---- set-up ---- */

static struct matrix matrix_new(struct step *s, size_t *at, int out, int in)
{
    struct matrix m = {.at = *at, .out = out, .in = in};
    *at += (size_t)out * in;
    m.forward = room(s, (size_t)out * in * 2);
    m.backward = room(s, (size_t)out * in * 2);
    return m;
}

static void matrix_load(struct step *s, struct matrix *m)
{
    halve(s->flat + m->at, s->w, (size_t)m->out * m->in);
    pack_turned(s->w, m->in, m->forward, m->out, m->in);
    pack(s->w, m->in, m->backward, m->out, m->in);
}

/* y = x W^T */
static void forward(const struct matrix *m, const half *x, float *y, int rows)
{
    product(rows, m->out, m->in, x, m->in, m->forward, m->out, y, m->out, 0);
}

/* dx = or += dy W, grad += dy^T x */
static void backward(struct step *s, const struct matrix *m, const half *x, const float *dy,
                     float *dx, int add, float *grad, int rows)
{
    halve(dy, s->s, (size_t)rows * m->out);
    product(rows, m->in, m->out, s->s, m->out, m->backward, m->in, dx, m->in, add);
    pack(x, m->in, s->pack, rows, m->in);
    turn(s->s, m->out, s->turned, s->t, rows, m->out);
    product(m->out, m->in, rows, s->turned, rows, s->pack, m->in, grad + m->at, m->in, 1);
}

struct step *step_new(int vocab, int width, int layers, int heads, int hidden, int context,
                      double base, double epsilon, const int32_t *prefix, int prefix_count)
{
    if (syscall(SYS_arch_prctl, XCOMP_REQUEST, XCOMP_TILES) || layers > LAYERS_MAX ||
        vocab % BLOCK || width % BLOCK || hidden % BLOCK || width / heads % BLOCK ||
        context % BLOCK) {
        return NULL;
    }
    struct step *s = zeros(sizeof *s);
    *s = (struct step){.vocab = vocab,
                       .width = width,
                       .layers = layers,
                       .heads = heads,
                       .head = width / heads,
                       .hidden = hidden,
                       .context = context,
                       .prefix = prefix_count,
                       .epsilon = (float)epsilon};
    size_t at = 0, n = (size_t)context * ROOM;
    s->embd = matrix_new(s, &at, vocab, width);
    for (int l = 0; l < layers; l++) {
        struct block *b = &s->block[l];
        struct kept *k = &s->kept[l];
        b->attn_norm = at;
        at += width;
        b->q = matrix_new(s, &at, width, width);
        b->k = matrix_new(s, &at, width, width);
        b->v = matrix_new(s, &at, width, width);
        b->o = matrix_new(s, &at, width, width);
        b->ffn_norm = at;
        at += width;
        b->gate = matrix_new(s, &at, hidden, width);
        b->up = matrix_new(s, &at, hidden, width);
        b->down = matrix_new(s, &at, width, hidden);
        b->prefix_k = room(s, (size_t)context * width * 2);
        b->prefix_v = room(s, (size_t)context * width * 2);
        k->x = room(s, n * width * 4);
        k->middle = room(s, n * width * 4);
        k->attn_scale = room(s, n * 4);
        k->ffn_scale = room(s, n * 4);
        k->g = room(s, n * hidden * 4);
        k->u = room(s, n * hidden * 4);
        k->y = room(s, n * width * 2);
        k->y2 = room(s, n * width * 2);
        k->q = room(s, n * width * 2);
        k->k = room(s, n * width * 2);
        k->v = room(s, n * width * 2);
        k->o = room(s, n * width * 2);
        k->h = room(s, n * hidden * 2);
        k->p = room(s, n * context * heads * 2);
        k->asking = l == layers - 1 ? room(s, n * width * 2) : k->y;
    }
    s->output_norm = at;
    s->weights = at + width;
    s->x = room(s, n * width * 4);
    s->dx = room(s, n * width * 4);
    s->last_scale = room(s, n * 4);
    /* the widest of: a hidden layer, keys beside values, and logits of the half of the rows that
     * the loss looks at */
    size_t wide = hidden > 2 * width ? hidden : 2 * width;
    wide = wide > (size_t)vocab / 2 ? wide : (size_t)vocab / 2;
    size_t most = n * wide;
    s->a = room(s, most * 4);
    s->b = room(s, most * 4);
    s->c = room(s, most * 4);
    s->scores = room(s, (size_t)context * context * 4);
    most = most > (size_t)vocab * width ? most : (size_t)vocab * width;
    s->s = room(s, most * 2);
    s->t = room(s, most * 2);
    s->w = room(s, most * 2);
    s->pack = room(s, most * 2);
    s->turned = room(s, most * 2);
    s->z = room(s, n * width * 2);
    s->cos = room(s, (size_t)context * s->head / 2 * 4);
    s->sin = room(s, (size_t)context * s->head / 2 * 4);
    for (int p = 0; p < context; p++) {
        for (int i = 0; i < s->head / 2; i++) {
            double angle = p * pow(base, -2.0 * i / s->head);
            s->cos[p * s->head / 2 + i] = (float)cos(angle);
            s->sin[p * s->head / 2 + i] = (float)sin(angle);
        }
    }
    s->prefix_tokens = room(s, prefix_count * 4);
    memcpy(s->prefix_tokens, prefix, (size_t)prefix_count * 4);
    return s;
}

void step_free(struct step *s)
{
    for (int i = 0; i < s->held; i++) {
        free(s->hold[i]);
    }
    free(s);
}

/* ---- layers ---- */

static void norm(const struct step *s, const float *x, size_t weight, float *scale, half *y,
                 int rows)
{
    float line[s->width];
    for (int t = 0; t < rows; t++, x += s->width) {
        float sum = 0;
        for (int i = 0; i < s->width; i++) {
            sum += x[i] * x[i];
        }
        scale[t] = 1 / sqrtf(sum / s->width + s->epsilon);
        for (int i = 0; i < s->width; i++) {
            line[i] = x[i] * scale[t] * s->flat[weight + i];
        }
        halve(line, y + (size_t)t * s->width, s->width);
    }
}

/* dx += */
static void norm_back(const struct step *s, const float *x, size_t weight, const float *scale,
                      const float *dy, float *dx, float *grad, int rows)
{
    const float *w = s->flat + weight;
    for (int t = 0; t < rows; t++, x += s->width, dy += s->width, dx += s->width) {
        float sum = 0, k = scale[t];
        for (int i = 0; i < s->width; i++) {
            sum += dy[i] * w[i] * x[i];
        }
        sum *= k * k * k / s->width;
        for (int i = 0; i < s->width; i++) {
            dx[i] += k * dy[i] * w[i] - x[i] * sum;
            grad[weight + i] += dy[i] * x[i] * k;
        }
    }
}

/* turns pairs (i, i + head / 2) of all heads by their position, or back */
static void rotate(const struct step *s, float *x, int first, int rows, float way, float scale)
{
    int n = s->head / 2;
    for (int t = 0; t < rows; t++) {
        const float *c = s->cos + (size_t)(first + t) * n, *d = s->sin + (size_t)(first + t) * n;
        for (int h = 0; h < s->heads; h++) {
            float *one = x + (size_t)t * s->width + (size_t)h * s->head, *two = one + n;
            for (int i = 0; i < n; i++) {
                float a = one[i], b = two[i];
                one[i] = (a * c[i] - b * way * d[i]) * scale;
                two[i] = (b * c[i] + a * way * d[i]) * scale;
            }
        }
    }
}

/* keys or values of a head, the prefix's before the row's, [count][head] */
static void gather(const struct step *s, const half *before, const half *own, int head, int rows,
                   int prefix, half *to)
{
    size_t n = s->head;
    for (int j = 0; j < prefix; j++) {
        memcpy(to + j * n, before + ((size_t)j * s->width + head * n), n * 2);
    }
    for (int j = 0; j < rows; j++) {
        memcpy(to + (prefix + j) * n, own + ((size_t)j * s->width + head * n), n * 2);
    }
    memset(to + (prefix + rows) * n, 0, (up32(prefix + rows) - (prefix + rows)) * n * 2);
}

/* Of all rows, those that ask, one part's after the other's. */
static void only_asking(const struct parts *parts, const void *from, void *to, size_t bytes)
{
    for (const struct part *r = parts->part; r < parts->part + parts->count; r++) {
        memmove((char *)to + r->ask * bytes,
                (const char *)from + (size_t)(r->start + r->rows - r->asked) * bytes,
                r->asked * bytes);
    }
}

static void rotate_parts(const struct step *s, const struct parts *parts, float *x, int asking,
                         int prefix, float way)
{
    for (const struct part *r = parts->part; r < parts->part + parts->count; r++) {
        if (asking) {
            rotate(s, x + (size_t)r->ask * s->width, prefix + r->rows - r->asked, r->asked, way,
                   1 / sqrtf((float)s->head));
        } else {
            rotate(s, x + (size_t)r->start * s->width, prefix, r->rows, way, 1);
        }
    }
}

/* What a part's heads answer, into s->a. */
static void attend(struct step *s, const struct block *b, struct kept *k, const struct part *r,
                   int prefix)
{
    int width = s->width, head = s->head, seen = (int)up32(prefix + r->rows), asked = r->asked;
    size_t own = (size_t)r->start * width, ask = (size_t)r->ask * width;
    for (int h = 0; h < s->heads; h++) {
        half *p = k->p + r->p + (size_t)h * asked * seen;
        gather(s, b->prefix_k, k->k + own, h, r->rows, prefix, s->s);
        pack_turned(s->s, head, s->pack, seen, head);
        product(asked, seen, head, k->q + ask + (size_t)h * head, width, s->pack, seen, s->scores,
                seen, 0);
        for (int t = 0; t < asked; t++) {
            float *line = s->scores + (size_t)t * seen, most = line[0], sum = 0;
            int count = prefix + r->rows - asked + t + 1;
            for (int j = 0; j < count; j++) {
                most = line[j] > most ? line[j] : most;
            }
            for (int j = 0; j < count; j++) {
                line[j] = expf(line[j] - most);
                sum += line[j];
            }
            for (int j = 0; j < count; j++) {
                line[j] /= sum;
            }
            memset(line + count, 0, (size_t)(seen - count) * 4);
            halve(line, p + (size_t)t * seen, seen);
        }
        gather(s, b->prefix_v, k->v + own, h, r->rows, prefix, s->s);
        pack(s->s, head, s->pack, seen, head);
        product(asked, head, seen, p, seen, s->pack, head, s->a + ask + (size_t)h * head, width, 0);
    }
}

/* One layer over s->x, which keeps the rows that ask.  `prefix` tokens stand before each part. */
static void layer(struct step *s, int l, const struct parts *parts, int prefix)
{
    struct block *b = &s->block[l];
    struct kept *k = &s->kept[l];
    int width = s->width, rows = parts->rows, asked = parts->asked;
    memcpy(k->x, s->x, (size_t)rows * width * 4);
    norm(s, k->x, b->attn_norm, k->attn_scale, k->y, rows);
    forward(&b->k, k->y, s->a, rows);
    rotate_parts(s, parts, s->a, 0, prefix, 1);
    halve(s->a, k->k, (size_t)rows * width);
    forward(&b->v, k->y, s->a, rows);
    halve(s->a, k->v, (size_t)rows * width);
    if (asked < rows) {
        only_asking(parts, k->y, k->asking, (size_t)width * 2);
        only_asking(parts, s->x, s->x, (size_t)width * 4);
    }
    forward(&b->q, asked < rows ? k->asking : k->y, s->a, asked);
    rotate_parts(s, parts, s->a, 1, prefix, 1);
    halve(s->a, k->q, (size_t)asked * width);
    for (int i = 0; i < parts->count; i++) {
        attend(s, b, k, &parts->part[i], prefix);
    }
    halve(s->a, k->o, (size_t)asked * width);
    product(asked, width, width, k->o, width, b->o.forward, width, s->x, width, 1);
    memcpy(k->middle, s->x, (size_t)asked * width * 4);
    norm(s, k->middle, b->ffn_norm, k->ffn_scale, k->y2, asked);
    forward(&b->gate, k->y2, k->g, asked);
    forward(&b->up, k->y2, k->u, asked);
    for (size_t i = 0; i < (size_t)asked * s->hidden; i++) {
        s->a[i] = k->g[i] / (1 + expf(-k->g[i])) * k->u[i];
    }
    halve(s->a, k->h, (size_t)asked * s->hidden);
    product(asked, width, s->hidden, k->h, s->hidden, b->down.forward, width, s->x, width, 1);
}

/* From the gradient of what a part's heads answered to those of its questions, keys and values. */
static void attend_back(struct step *s, const struct block *b, const struct kept *k,
                        const struct part *r, int prefix, const half *answers, float *dq, float *dk,
                        float *dv)
{
    int width = s->width, head = s->head, seen = (int)up32(prefix + r->rows), asked = r->asked;
    size_t own = (size_t)r->start * width, ask = (size_t)r->ask * width;
    float *scores = s->scores;
    for (int h = 0; h < s->heads; h++) {
        const half *p = k->p + r->p + (size_t)h * asked * seen;
        size_t at = (size_t)h * head;
        gather(s, b->prefix_v, k->v + own, h, r->rows, prefix, s->s);
        pack_turned(s->s, head, s->pack, seen, head);
        product(asked, seen, head, answers + ask + at, width, s->pack, seen, scores, seen,
                0); /* dp = da v^T */
        turn(p, seen, s->turned, s->t, asked, seen);
        pack(answers + ask + at, width, s->pack, asked, head);
        product(seen, head, asked, s->turned, asked, s->pack, head, s->c, head,
                0); /* dv = p^T da */
        for (int j = 0; j < r->rows; j++) {
            memcpy(dv + own + (size_t)j * width + at, s->c + (size_t)(prefix + j) * head, head * 4);
        }
        for (int t = 0; t < asked; t++) {
            float *line = scores + (size_t)t * seen, sum = 0, sure[seen];
            for (int j = 0; j < seen; j++) {
                uint32_t bits = (uint32_t)p[(size_t)t * seen + j] << 16;
                memcpy(&sure[j], &bits, 4);
                sum += sure[j] * line[j];
            }
            for (int j = 0; j < seen; j++) {
                line[j] = sure[j] * (line[j] - sum);
            }
        }
        half *ds = s->t;
        halve(scores, ds, (size_t)asked * seen);
        gather(s, b->prefix_k, k->k + own, h, r->rows, prefix, s->s);
        pack(s->s, head, s->pack, seen, head);
        product(asked, head, seen, ds, seen, s->pack, head, dq + ask + at, width,
                0); /* dq = ds k */
        turn(ds, seen, s->turned, s->s, asked, seen);
        pack(k->q + ask + at, width, s->pack, asked, head);
        product(seen, head, asked, s->turned, asked, s->pack, head, s->c, head,
                0); /* dk = ds^T q */
        for (int j = 0; j < r->rows; j++) {
            memcpy(dk + own + (size_t)j * width + at, s->c + (size_t)(prefix + j) * head, head * 4);
        }
    }
}

/* Rows that ask, back among all rows, which they are added to. */
static void among_all(const struct parts *parts, const float *from, float *to, int width)
{
    for (const struct part *r = parts->part; r < parts->part + parts->count; r++) {
        const float *one = from + (size_t)r->ask * width;
        float *two = to + (size_t)(r->start + r->rows - r->asked) * width;
        for (size_t i = 0; i < (size_t)r->asked * width; i++) {
            two[i] += one[i];
        }
    }
}

/* From the gradient of what the layer gave, in s->dx, to that of what it got. */
static void layer_back(struct step *s, int l, const struct parts *parts, int prefix, float *grad)
{
    struct block *b = &s->block[l];
    struct kept *k = &s->kept[l];
    int width = s->width, rows = parts->rows, asked = parts->asked;
    backward(s, &b->down, k->h, s->dx, s->a, 0, grad, asked);
    for (size_t i = 0; i < (size_t)asked * s->hidden; i++) {
        float g = k->g[i], sure = 1 / (1 + expf(-g)), silu = g * sure, d = s->a[i];
        s->a[i] = d * k->u[i] * (sure + silu - silu * sure);
        s->b[i] = d * silu;
    }
    backward(s, &b->gate, k->y2, s->a, s->c, 0, grad, asked);
    backward(s, &b->up, k->y2, s->b, s->c, 1, grad, asked);
    norm_back(s, k->middle, b->ffn_norm, k->ffn_scale, s->c, s->dx, grad, asked);

    backward(s, &b->o, k->o, s->dx, s->c, 0, grad, asked); /* c: of the heads' answers */
    float *dq = s->a, *dk = s->b, *dv = s->b + (size_t)rows * width;
    halve(s->c, s->w, (size_t)asked * width);
    for (int i = 0; i < parts->count; i++) {
        attend_back(s, b, k, &parts->part[i], prefix, s->w, dq, dk, dv);
    }
    rotate_parts(s, parts, dq, 1, prefix, -1);
    rotate_parts(s, parts, dk, 0, prefix, -1);
    backward(s, &b->k, k->y, dk, s->c, 0, grad, rows);
    backward(s, &b->v, k->y, dv, s->c, 1, grad, rows);
    if (asked < rows) {
        backward(s, &b->q, k->asking, dq, s->b, 0, grad, asked);
        among_all(parts, s->b, s->c, width);
        memcpy(s->a, s->dx, (size_t)asked * width * 4);
        memset(s->dx, 0, (size_t)rows * width * 4);
        among_all(parts, s->a, s->dx, width);
    } else {
        backward(s, &b->q, k->y, dq, s->c, 1, grad, rows);
    }
    norm_back(s, k->x, b->attn_norm, k->attn_scale, s->c, s->dx, grad, rows);
}

static void embed(struct step *s, const int32_t *tokens, int count, int at, int rows)
{
    float *x = s->x + (size_t)at * s->width;
    for (int t = 0; t < count; t++) {
        memcpy(x + (size_t)t * s->width, s->flat + (size_t)tokens[t] * s->width,
               (size_t)s->width * 4);
    }
    memset(x + (size_t)count * s->width, 0, (size_t)(rows - count) * s->width * 4);
}

/* Takes new weights; `flat` is read until the next call.  The prefix's keys and values are computed
 * anew. */
void step_weights(struct step *s, const float *flat)
{
    s->flat = flat;
    tiles_begin();
    matrix_load(s, &s->embd);
    for (int l = 0; l < s->layers; l++) {
        struct block *b = &s->block[l];
        struct matrix *all[] = {&b->q, &b->k, &b->v, &b->o, &b->gate, &b->up, &b->down};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            matrix_load(s, all[i]);
        }
    }
    int rows = (int)up32(s->prefix);
    struct parts alone = {
        .count = 1, .rows = rows, .asked = rows, .part = {{.rows = rows, .asked = rows}}};
    embed(s, s->prefix_tokens, s->prefix, 0, rows);
    for (int l = 0; l < s->layers; l++) {
        layer(s, l, &alone, 0);
        memcpy(s->block[l].prefix_k, s->kept[l].k, (size_t)rows * s->width * 2);
        memcpy(s->block[l].prefix_v, s->kept[l].v, (size_t)rows * s->width * 2);
    }
    _tile_release();
}

struct looked { /* where the loss looks: a row that asks, what it should say, how much that weighs
                 */
    int row, wanted;
    float weight;
};

/* The loss of `count` places, and its gradient for the rows that ask, in s->dx. */
static double loss_of(struct step *s, const struct looked *looked, int count, int asked,
                      float scale, float *grad)
{
    int padded = (int)up32(count), width = s->width;
    double loss = 0;
    norm(s, s->x, s->output_norm, s->last_scale, s->w, asked);
    memset(s->z, 0, (size_t)padded * width * 2);
    for (int i = 0; i < count; i++) {
        memcpy(s->z + (size_t)i * width, s->w + (size_t)looked[i].row * width, (size_t)width * 2);
    }
    forward(&s->embd, s->z, s->a, padded);
    for (int i = 0; i < padded; i++) {
        float *line = s->a + (size_t)i * s->vocab, most = line[0], sum = 0;
        float weight = i < count ? looked[i].weight : 0;
        for (int j = 0; j < s->vocab; j++) {
            most = line[j] > most ? line[j] : most;
        }
        if (i < count) {
            loss -= (double)weight * (line[looked[i].wanted] - most);
        }
        for (int j = 0; j < s->vocab; j++) {
            line[j] = expf(line[j] - most);
            sum += line[j];
        }
        loss += (double)weight * logf(sum);
        for (int j = 0; j < s->vocab; j++) {
            line[j] *= weight * scale / sum;
        }
        if (i < count) {
            line[looked[i].wanted] -= weight * scale;
        }
    }
    backward(s, &s->embd, s->z, s->a, s->b, 0, grad, padded);
    memset(s->c, 0, (size_t)asked * width * 4);
    for (int i = 0; i < count; i++) {
        memcpy(s->c + (size_t)looked[i].row * width, s->b + (size_t)i * width, (size_t)width * 4);
    }
    memset(s->dx, 0, (size_t)asked * width * 4);
    norm_back(s, s->x, s->output_norm, s->last_scale, s->c, s->dx, grad, asked);
    return loss;
}

/* As many of the cases as go together, at least one: how many; 0 where the first is too long
 * or asks nothing. */
static int together(struct step *s, const int32_t *tokens, const float *weights,
                    const int32_t *counts, int cases, float scale, float *grad, double *loss)
{
    struct parts all = {0}, end = {0};
    struct looked looked[s->context * ROOM / 2];
    int places = 0, taken = 0, at = 0;
    size_t kept = 0;
    for (; taken < cases && taken < ROWS_MAX; at += counts[taken++]) {
        int inputs = counts[taken] - 1, rows = (int)up32(inputs), first = inputs, wanted = 0;
        for (int t = inputs; t > 0; t--) {
            if (weights[at + t] != 0) {
                wanted++;
                first = t - 1;
            }
        }
        int from = first / BLOCK * BLOCK, asked = rows - from;
        if (!wanted || up32(s->prefix + rows) > (size_t)s->context ||
            all.rows + rows > s->context * ROOM ||
            up32(places + wanted) > (size_t)s->context * ROOM / 2) {
            break;
        }
        for (int t = first; t < inputs; t++) {
            if (weights[at + t + 1] != 0) {
                looked[places++] =
                    (struct looked){end.asked + t - from, tokens[at + t + 1], weights[at + t + 1]};
            }
        }
        embed(s, tokens + at, inputs, all.rows, rows);
        all.part[all.count++] = (struct part){all.rows, rows, all.rows, rows, kept};
        end.part[end.count++] = (struct part){all.rows, rows, end.asked, asked, kept};
        all.rows += rows;
        end.asked += asked;
        kept += (size_t)s->heads * rows * up32(s->prefix + rows);
    }
    if (taken == 0) {
        return 0;
    }
    all.asked = end.rows = all.rows;
    for (int l = 0; l < s->layers; l++) {
        layer(s, l, l == s->layers - 1 ? &end : &all, s->prefix);
    }
    *loss += loss_of(s, looked, places, end.asked, scale, grad);
    for (int l = s->layers - 1; l >= 0; l--) {
        layer_back(s, l, l == s->layers - 1 ? &end : &all, s->prefix, grad);
    }
    for (int c = 0; c < taken; tokens += counts[c++]) {
        const float *dx = s->dx + (size_t)all.part[c].start * s->width;
        for (int t = 0; t < counts[c] - 1; t++) {
            for (int i = 0; i < s->width; i++) {
                grad[(size_t)tokens[t] * s->width + i] += dx[(size_t)t * s->width + i];
            }
        }
    }
    return taken;
}

/* Cases one after the other: counts[cases] tokens each, and weights of predicting each token (that
 * of a case's first is nothing).  Adds the gradient of scale * loss to grad and gives the loss, or
 * -1 where a case is too long or asks nothing. */
double step_rows(struct step *s, const int32_t *tokens, const float *weights, const int32_t *counts,
                 int cases, float scale, float *grad)
{
    double loss = 0;
    tiles_begin();
    while (cases > 0) {
        int taken = together(s, tokens, weights, counts, cases, scale, grad, &loss);
        if (taken == 0) {
            return -1;
        }
        for (int i = 0; i < taken; i++) {
            tokens += counts[i];
            weights += counts[i];
        }
        counts += taken;
        cases -= taken;
    }
    _tile_release();
    return loss;
}
