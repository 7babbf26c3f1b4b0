"""The C headers that the reading side needs: spool.h's layout, the atomics and the clock."""
from libc.stdint cimport int32_t, uint16_t, uint32_t, uint64_t

cdef extern from "spool.h" nogil:
    const uint64_t PT_MAGIC
    const uint32_t PT_VERSION, PT_CHUNK_BYTES, PT_CHUNK_RECORDS, PT_MAX_CHUNKS, PT_TABLE_OFFSET, PT_CHUNKS_OFFSET
    const uint32_t PT_BLOCKING, PT_CREATED

    ctypedef struct pt_record:
        uint64_t tick
        uint64_t word

    uint64_t PT_WORD(uint32_t kind, uint32_t depth, uint32_t id)
    uint32_t PT_KIND(uint64_t word)
    uint32_t PT_DEPTH(uint64_t word)
    uint32_t PT_ID(uint64_t word)

    enum:
        PT_START, PT_RESUME, PT_THROW, PT_RETURN, PT_YIELD, PT_UNWIND, PT_CALL, PT_C_RETURN, PT_C_RAISE, PT_RAISED
        PT_INHERITED, PT_STEP, PT_READY, PT_AWAITS, PT_ENDED
        PT_PAYLOAD, PT_STRING, PT_CODE, PT_CALLABLE, PT_THREAD, PT_PROCESS, PT_MARK, PT_CHILD, PT_REAPED
        PT_TASK, PT_LINK, PT_NOTE, PT_SWITCH, PT_MUTED, PT_ARGS, PT_RESULT, PT_MATCHED
        PT_ASYNCIO, PT_TRIO, PT_GREENLET
        PT_SESSION_BEGIN, PT_SESSION_END, PT_TEST_BEGIN, PT_TEST_END, PT_SPAN_BEGIN, PT_SPAN_END, PT_INSTANT
        PT_USER_BEGIN, PT_USER_END, PT_COUNTER, PT_COLLECTED
        PT_FREE, PT_OWNED, PT_FULL

    ctypedef struct pt_code:
        uint32_t file
        uint32_t line
        uint32_t flags

    ctypedef struct pt_callable:
        uint32_t flags

    ctypedef struct pt_thread:
        uint64_t native_id
        uint64_t ident

    ctypedef struct pt_child:
        uint64_t tick

    ctypedef struct pt_reaped:
        int32_t status
        uint32_t known

    ctypedef struct pt_task:
        uint64_t loop
        uint32_t parent
        uint16_t kind
        uint16_t flags

    ctypedef struct pt_muted:
        uint32_t share

    ctypedef struct pt_link:
        uint32_t depth
        uint32_t taken

    ctypedef struct pt_chunk:
        uint32_t state
        uint32_t thread
        uint32_t seq
        uint32_t used
        uint64_t native_id

    ctypedef struct pt_header:
        uint64_t magic
        uint32_t version
        uint32_t clock
        uint32_t pid
        uint32_t parent_pid
        uint64_t start_tick
        uint64_t start_monotonic_ns
        uint64_t start_unix_ns
        uint32_t first_id
        uint32_t chunks
        uint64_t dropped
        uint64_t stalled_ns
        uint32_t error
        uint32_t python
        uint64_t heartbeat_ns
        uint32_t stop
        uint32_t free_threaded
        uint64_t clock_error_ns
        char parent[256]
        uint32_t room

cdef extern from "compat.h" nogil:
    uint64_t pt_load64(uint64_t *address)  # acquire
    uint32_t pt_load32(uint32_t *address)
    void pt_store64(uint64_t *address, uint64_t value)  # release
    void pt_store32(uint32_t *address, uint32_t value)

cdef extern from "clock.h" nogil:
    uint64_t pt_now(uint32_t clock)
    uint64_t pt_monotonic_ns()
    uint32_t pt_choose_clock()
