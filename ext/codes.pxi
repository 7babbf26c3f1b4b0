# What is known of code objects and of their call sites: kept in each code object's co_extra.

from cpython.object cimport PyObject
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from writer cimport Py_None, pt_extra_of, pt_request_extra, pt_set_extra, pt_try_plain_extra

cdef struct Site:
    uint8_t quiet          # calls in a row that were quick or to Python; KEPT: it blocks, never switch it off
    uint8_t open           # recorded calls that have not returned yet

cdef enum:
    QUIET = 4              # so many quiet calls, and a site answers DISABLE
    KEPT = 255
    QUICK_NS = 20000
    OURS = 2               # beside a callable's flags: it is never recorded

cdef enum:
    NOBODY = 0xffffffff    # a serial that no recording has

cdef enum:
    SPECIAL = 0x80000000   # a code object with this bit in its epoch never looks plain to the hooks
    MUTED = 0x40000000     # nor does one with this bit: it is recorded no more, see muting.pxi
    COROUTINE = 0x80 | 0x100 | 0x200  # CO_COROUTINE, CO_ITERABLE_COROUTINE, CO_ASYNC_GENERATOR

cdef struct CodeState:     # in the code object's co_extra; freed with it
    uint32_t epoch         # the recording, as adjusted, in which its events are recorded at once
    uint32_t id
    uint32_t named         # the recording that has its name
    uint32_t judged        # the recording whose patterns said `excluded`
    uint8_t excluded
    uint8_t coroutine
    uint8_t watched        # see watch.h
    uint8_t kept           # its arguments are: see arguments.pxi
    uint32_t pending       # of one that is muted: its recorded frames that are still open
    uint32_t asked         # and how often it was asked whether these can come to an exit
    uint32_t sites_count
    Site *sites            # by code unit

cdef enum CallMode:
    CALLS_NONE = 0
    CALLS_AUTO = 1
    CALLS_ALL = 2

cdef Py_ssize_t extra_index = -1
cdef uint32_t epoch = 0            # the current recording's, 0 = none: no code object has it
cdef uint32_t serial = NOBODY      # the current recording's
cdef bint suspended = False        # whether the current recording is
cdef bint resumed = False          # after an inner recording, which may have met what is open in this one
cdef uint32_t call_mode = CALLS_NONE
cdef uint64_t quick_ticks = 0
cdef PyObject *disable = NULL      # sys.monitoring.DISABLE
cdef Recording recording = None    # the slow paths' memory of the current recording


cdef inline PyObject *none() noexcept nogil:
    return Py_None                 # immortal where callbacks answer with it (3.12 and later)


cdef inline CodeState *state_of(PyObject *code) noexcept nogil:
    return <CodeState *> pt_extra_of(code, extra_index)


cdef inline bint is_known(CodeState *state) noexcept nogil:
    """Whether its name is in the current recording."""
    return state != NULL and state.named == serial


cdef inline bint is_muted(CodeState *state) noexcept nogil:
    return state != NULL and state.epoch == epoch | MUTED


cdef int claim_extra() except -1:
    """Get a place in every code object's co_extra, and find out whether it may be read directly."""
    global extra_index
    cdef PyObject *code
    cdef CodeState *state
    extra_index = pt_request_extra(free_code_state)
    if extra_index < 0:
        raise RuntimeError("no room for another tool's data on code objects")
    trial = compile("", "", "exec")
    code = <PyObject *> trial
    state = <CodeState *> calloc(1, sizeof(CodeState))
    if state == NULL or pt_set_extra(code, extra_index, state) != 0:
        free(state)
        raise MemoryError
    pt_try_plain_extra(code, extra_index, state)
    return 0


cdef void free_code_state(void *extra) noexcept nogil:
    cdef CodeState *state = <CodeState *> extra
    if state != NULL:
        forget(state)
        free(state.sites)
        free(state)
