/* The spool: what a traced process leaves for the collector. The one definition of its layout.
 *
 * One file per process image and recording. Everything is native-endian and naturally aligned; writer
 * and reader run on one machine. docs/spool-format.md explains the why.
 *
 *   +-----------------+ 0
 *   | pt_header       |
 *   +-----------------+ PT_TABLE_OFFSET
 *   | pt_chunk[MAX]   |  who owns each chunk, and how far it is
 *   +-----------------+ PT_CHUNKS_OFFSET
 *   | chunk 0         |  PT_CHUNK_BYTES of pt_record, all of one thread
 *   | chunk 1 ...     |
 *   +-----------------+
 */
#ifndef PT_SPOOL_H
#define PT_SPOOL_H

#include <stdint.h>

#define PT_MAGIC 0x314c4f4f50535450ULL /* "PTSPOOL1"; stored last, so a header without it is not ready */
#define PT_VERSION 1

#define PT_CHUNK_BYTES 32768u
#define PT_CHUNK_RECORDS (PT_CHUNK_BYTES / 16u)
#define PT_MAX_CHUNKS 2048u
#define PT_TABLE_OFFSET 4096u
#define PT_CHUNKS_OFFSET 196608u /* a multiple of the largest page: see PT_LARGEST_PAGE in writer.h */

/* A record. A nonzero tick commits it: the writer stores `tick` last (release), the reader loads it first
 * (acquire) and stops at zero.
 *
 *    63                                                               0
 *   +-----------------------------------------------------------------+
 *   |                              tick                               |
 *   +--------------------------------+------------------------+-------+
 *   |               id               |         depth          | kind  |
 *   +--------------------------------+------------------------+-------+
 *    63                            32 31                     8 7     0
 */
typedef struct {
    uint64_t tick;
    uint64_t word;
} pt_record;

#define PT_WORD(kind, depth, id) ((uint64_t)(kind) | (uint64_t)(depth) << 8 | (uint64_t)(id) << 32)
#define PT_KIND(word) ((uint32_t)((word) & 0xff))
#define PT_DEPTH(word) ((uint32_t)((word) >> 8 & 0xffffff))
#define PT_ID(word) ((uint32_t)((word) >> 32))

enum pt_kind {
    /* Frames: id is a PT_CODE, depth the thread's recursion depth. */
    PT_START = 1,  /* entered for the first time */
    PT_RESUME = 2, /* a generator or coroutine goes on */
    PT_THROW = 3,  /* ... by an exception thrown into it */
    PT_RETURN = 4,
    PT_YIELD = 5,
    PT_UNWIND = 6, /* left by an exception */
    /* C calls: id is a PT_CALLABLE, depth that of the calling frame. */
    PT_CALL = 7,
    PT_C_RETURN = 8,
    PT_C_RAISE = 9,
    /* The type (a PT_STRING) of the exception with which the next PT_UNWIND or PT_C_RAISE of this thread leaves. */
    PT_RAISED = 10,
    /* A frame: it was running when this process was forked, and goes on in it. */
    PT_INHERITED = 11,
    /* Event loops: id is a task. */
    PT_STEP = 12,   /* the frame that this thread's next frame record enters, at `depth`, is the outermost of a step of it */
    PT_READY = 13,  /* what runs here made it ready to go on */
    PT_AWAITS = 14, /* the step that the next record ends (its outermost frame yields) waits for this task to end */
    PT_ENDED = 15,  /* what the frame at `depth`, which runs, does until it is left comes of this task's end */

    /* From here on a record is followed by a payload of `depth` bytes, padded to whole records, that does not
     * cross the end of the chunk. The payload is stored before the record is committed. */
    PT_PAYLOAD = 16,
    PT_STRING = 16,   /* id := UTF-8 text */
    PT_CODE = 17,     /* id := pt_code, then the qualified name */
    PT_CALLABLE = 18, /* id := pt_callable, then the name that a person would write */
    PT_THREAD = 19,   /* this chunk's thread: pt_thread, then its name (may come again with a newer name) */
    PT_PROCESS = 20,  /* this process: its command line, words separated by NUL */
    PT_MARK = 21,     /* id is a pt_mark, the payload a JSON object */
    PT_CHILD = 22,    /* this thread started process `id` (0 = not known which): pt_child, then its command line,
                words separated by NUL; none where it goes on as a copy of this process */
    PT_REAPED = 23,   /* this thread learnt that process `id` is over: pt_reaped */
    PT_TASK = 24,     /* task `id`: pt_task, then its name (may come again with a newer name) */
    PT_LINK = 25,     /* work or a result changes threads: pt_link; id is a token, the same at both ends */
    PT_NOTE = 26,     /* of task `id`, 0 = of none that is known: a few words, such as "never awaited: fetch" */
    PT_SWITCH = 27,   /* the thread goes on in greenlet `id`, a PT_TASK of its own stack; 0 = in its main one */
    PT_MUTED = 28,    /* function `id` (a PT_CODE), called from here, is recorded no more in this test: pt_muted */
    PT_ARGS = 29,     /* the innermost open frame, of function `id`, was called with: names and reprs, a NUL after each */
    PT_RESULT = 30,   /* the innermost open frame of function `id` is about to return: the value's repr */
    PT_MATCHED = 31,  /* the run's `id`th pattern of functions whose arguments are kept (0, 1, ...) means one that runs */
};

/* What an id stands for is written once, before its first use, by any thread. Ids start at 1, are unique in a
 * process and never used again; a forked child knows its parent's below pt_header.first_id. */
typedef struct {
    uint32_t file; /* a PT_STRING */
    uint32_t line;
    uint32_t flags; /* co_flags */
} pt_code;

typedef struct {
    uint32_t flags; /* PT_BLOCKING: gives up the GIL to wait */
} pt_callable;
#define PT_BLOCKING 1u

typedef struct {
    uint64_t native_id;
    uint64_t ident;
} pt_thread;

typedef struct {
    uint64_t tick; /* before the call that started it */
} pt_child;

typedef struct {
    int32_t status; /* as wait() tells it */
    uint32_t known; /* whether it did */
} pt_reaped;

/* Tasks' ids start at 1 and are unique in a process, apart from those of names. */
typedef struct {
    uint64_t loop;   /* tells the loops of a process apart; 0 = none */
    uint32_t parent; /* the task that created it, 0 = none or not known */
    uint16_t kind;   /* pt_task_kind */
    uint16_t flags;  /* PT_CREATED: it was created at this moment, by what runs here; else it is seen for the first time */
} pt_task;
enum pt_task_kind { PT_ASYNCIO = 0, PT_TRIO = 1, PT_GREENLET = 2 };
#define PT_CREATED 1u

typedef struct {
    uint32_t share; /* of this thread's time, while it was recorded, in millionths */
} pt_muted;

typedef struct {
    uint32_t depth; /* taken up: of the frame that does, until it is left; 0 = handed over here */
    uint32_t taken;
} pt_link;

/* The test run's own story is written by the plugin in the thread that runs the tests; what is said beside it, from
 * PT_INSTANT on, by any thread of any process. docs/spool-format.md lists the keys of each object. */
enum pt_mark {
    PT_SESSION_BEGIN = 1,
    PT_SESSION_END = 2,
    PT_TEST_BEGIN = 3,
    PT_TEST_END = 4,
    PT_SPAN_BEGIN = 5,
    PT_SPAN_END = 6,
    PT_INSTANT = 7,
    PT_USER_BEGIN = 8,
    PT_USER_END = 9,
    PT_COUNTER = 10,
    PT_COLLECTED = 11,
};

/* FREE -> OWNED (writer) -> FULL (writer) -> zeroed, FREE (reader) */
enum pt_state { PT_FREE = 0, PT_OWNED = 1, PT_FULL = 2, PT_UNUSABLE = 3 };

typedef struct {
    uint32_t state; /* atomic; all below is set before OWNED is stored (release) */
    uint32_t thread; /* serial of the owner, unique in the process */
    uint32_t seq;    /* the how manieth chunk of that thread, from 0: the order to read them in */
    uint32_t used;   /* records (payload included), valid once FULL */
    uint64_t native_id;
    uint8_t reserved[40];
} pt_chunk;

enum pt_clock { PT_CLOCK_TSC = 0, PT_CLOCK_MONOTONIC = 1 };

typedef struct {
    uint64_t magic; /* atomic */
    uint32_t version;
    uint32_t clock; /* pt_clock: what ticks are */
    uint32_t pid;
    uint32_t parent_pid;
    uint64_t start_tick; /* the three clocks, read at one moment */
    uint64_t start_monotonic_ns;
    uint64_t start_unix_ns;
    uint32_t first_id; /* ids below are defined in `parent` */
    uint32_t chunks;   /* atomic: how many chunks the file has */
    uint64_t dropped;  /* atomic: records that found no room */
    uint64_t stalled_ns; /* atomic: time the writer waited for a free chunk */
    uint32_t error;    /* errno of the last failure to grow, 0 = none */
    uint32_t python;   /* PY_VERSION_HEX */
    /* set by the reader */
    uint64_t heartbeat_ns; /* atomic, CLOCK_MONOTONIC: the collector is alive */
    uint32_t stop;         /* atomic: the run is over, record no more */
    uint32_t free_threaded; /* set by the writer: no GIL, so no GIL lane */
    uint64_t clock_error_ns; /* of a process on another host, whose ticks were translated: by so much they may be off */
    char parent[256]; /* file name of the spool of the process that forked this one, or "" */
    uint32_t room;    /* atomic, set by the reader: chunks that the file may have */
    uint32_t reserved;
} pt_header;

#endif
