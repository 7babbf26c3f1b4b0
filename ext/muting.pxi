# Muting: a function that is called so often that recording it would dominate is recorded no more in its test.
#
# That is decided where a chunk is full, never at a call. One that filled too quickly is looked at as a whole, and the
# most frequent short function in it is muted, if the test has enough calls of it. From then on its code object looks
# special to the hooks; an entry answers DISABLE at once, an exit as soon as none of its recorded frames is open.

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport realloc
from libc.string cimport memset

from spool cimport (
    PT_CHUNK_RECORDS, PT_DEPTH, PT_ID, PT_KIND, PT_MUTED, PT_PAYLOAD, PT_THROW, PT_UNWIND, PT_WORD, pt_muted, pt_now,
    pt_record,
)
from writer cimport (
    PT_FREE_THREADED, PT_HAS_MONITORING, PyLong_AsSize_t, pt_count_open, pt_current, pt_depth, pt_exit_is_behind,
    pt_me, pt_put, pt_put_payload, pt_room, pt_set_call, pt_thread_state, pt_tick_source,
)

cdef enum:
    SAMPLE = 8192          # calls of a function that each test keeps
    HOT_NS = 1000000       # a chunk of 1,024 calls that filled in less: recording took a tenth of that time or more
    SHORT = 1024           # a call is short if its own time is less than this part of that: a microsecond
    FEWEST = 32            # calls in a chunk
    MOST_ASKED = 16

cdef struct Heat:          # of a function, by id
    CodeState *state       # NULL: no plain function, or it is gone
    uint64_t ticks         # its own time in hot chunks of this test
    uint64_t of            # of so much in all
    uint64_t chunk         # the last in which it was seen
    uint32_t calls         # in hot chunks of this test
    uint32_t recent        # in the last chunk

cdef bint PT_CAN_MUTE = PT_HAS_MONITORING and not PT_FREE_THREADED
cdef Heat *heats = NULL
cdef uint32_t heats_room = 0
cdef uint64_t hot_chunks = 0       # in this process's life
cdef uint64_t first_chunk = 0      # the first hot one of this test
cdef uint32_t sample = 0           # the current recording's
cdef uint64_t hot_ticks = 0
cdef bint struck = False           # something is muted
cdef object return_callback = None
cdef uint32_t told_file = 0        # serial of the file that has a record of all that is


cdef void remember(CodeState *state) noexcept:
    """Make the function known by its id. Without memory for that it is never muted."""
    global heats, heats_room
    cdef uint32_t room = heats_room or 1024
    cdef Heat *grown
    while room <= state.id:
        room *= 2
    if room > heats_room:
        grown = <Heat *> realloc(heats, room * sizeof(Heat))
        if grown == NULL:
            return
        memset(grown + heats_room, 0, (room - heats_room) * sizeof(Heat))
        heats = grown
        heats_room = room
    heats[state.id].state = state


cdef void forget(CodeState *state) noexcept nogil:
    if state.id < heats_room:
        heats[state.id].state = NULL


# ---- the decision ----

cdef void look_back(const pt_record *records) noexcept:
    """A thread has filled a chunk: mute a function if that took too little time."""
    global hot_chunks
    cdef uint64_t took = pt_now(pt_tick_source) - records[0].tick
    cdef Heat *heat
    if took > hot_ticks or sample == 0 or suspended:
        return
    hot_chunks += 1
    measure(records, took)
    heat = hottest(records)
    if heat != NULL:
        mute(heat)


cdef Heat *heat_of(uint64_t word, uint64_t took) noexcept nogil:
    """The function's, in the chunk that is looked at. NULL for an id that is no function's."""
    cdef uint32_t id = PT_ID(word)
    cdef Heat *heat
    if id >= heats_room or heats[id].state == NULL:
        return NULL
    heat = &heats[id]
    if heat.chunk != hot_chunks:
        if heat.chunk < first_chunk:
            heat.calls = 0
            heat.ticks = heat.of = 0
        heat.chunk = hot_chunks
        heat.recent = 0
        heat.of += took
    return heat


cdef void measure(const pt_record *records, uint64_t took) noexcept nogil:
    """Add the chunk to its functions' calls and own times.

    From an entry on a function runs itself, and up to an exit; who runs between an exit and an entry, the records
    alone do not say, and it does not count.
    """
    cdef uint32_t i = 0, kind
    cdef uint64_t before = 0
    cdef Heat *runs = NULL
    cdef Heat *heat
    while i < PT_CHUNK_RECORDS:
        kind = PT_KIND(records[i].word)
        heat = heat_of(records[i].word, took) if kind <= PT_UNWIND else NULL
        if runs == NULL and kind > PT_THROW and i:
            runs = heat
        if runs != NULL:
            runs.ticks += records[i].tick - before
        runs = NULL
        if heat != NULL and kind <= PT_THROW:
            heat.calls += 1
            heat.recent += 1
            runs = heat
        before = records[i].tick
        i += 1
        if kind >= PT_PAYLOAD:
            i += (PT_DEPTH(records[i - 1].word) + 15) // 16


cdef Heat *hottest(const pt_record *records) noexcept nogil:
    """The most frequent function of the chunk among those that are short and have been recorded enough; or NULL."""
    cdef uint32_t i = 0, kind, id
    cdef uint32_t most = FEWEST - 1
    cdef Heat *found = NULL
    cdef Heat *heat
    while i < PT_CHUNK_RECORDS:
        kind = PT_KIND(records[i].word)
        id = PT_ID(records[i].word)
        if kind <= PT_THROW and id < heats_room:
            heat = &heats[id]
            if (heat.state != NULL and heat.recent > most and heat.calls >= sample
                    and heat.state.epoch == epoch and heat.ticks < heat.calls * (hot_ticks // SHORT)):
                most = heat.recent
                found = heat
        i += 1
        if kind >= PT_PAYLOAD:
            i += (PT_DEPTH(records[i - 1].word) + 15) // 16
    return found


cdef void mute(Heat *heat) noexcept:
    """Record the function no more, unless there is no room to say so."""
    global struck, told_file
    if tell_mute(heat):
        heat.state.pending = pt_count_open(heat.state.id)
        heat.state.asked = 0
        heat.state.epoch = epoch | MUTED
        told_file = pt_current.file.serial
        struck = True


cdef bint tell_mute(Heat *heat) noexcept:
    cdef pt_muted head
    head.share = <uint32_t> (heat.ticks * 1000000 // heat.of) if heat.of else 0
    return pt_put_payload(PT_MUTED, heat.state.id, &head, sizeof(head), b"", 0)


cdef void tell_muted() noexcept:
    """In a forked child: what its parent had muted is so there too."""
    global told_file
    cdef uint32_t id
    if struck and told_file != pt_current.file.serial:
        told_file = pt_current.file.serial
        for id in range(heats_room):
            if is_muted(heats[id].state):
                tell_mute(&heats[id])


cdef int begin_muting() except -1:
    """A test begins: count anew, and record what was muted again."""
    global first_chunk
    first_chunk = hot_chunks + 1
    unmute()
    return 0


cdef int unmute() except -1:
    """Record again what was muted. Its entries and its exits are switched on together, or nesting would be torn; so
    this comes before whatever gives code objects another epoch, or lets frames end unseen."""
    global struck
    cdef uint32_t id
    if struck:
        struck = False
        for id in range(heats_room):
            if heats[id].state != NULL:
                heats[id].state.epoch &= ~<uint32_t> MUTED
        pt_set_call(<PyObject *> return_callback, on_return)
        sys.monitoring.restart_events()
    return 0


# ---- where the hooks go with a muted function ----

cdef PyObject *leave_muted(PyObject *code, CodeState *state, uint32_t kind, PyObject *value,
                           PyObject *offset) noexcept:
    """`leave`: only a frame whose entry was recorded is told of."""
    cdef pt_thread_state *t = pt_me
    cdef uint32_t depth = pt_depth(t)
    if depth < t.depths and t.open[depth].frame == state.id:
        leave_pending(state, kind, value, depth)
    if kind == PT_UNWIND or state.pending and not is_behind(code, state, offset):
        return none()
    return disabled()


cdef void leave_pending(CodeState *state, uint32_t kind, PyObject *value, uint32_t depth) noexcept:
    cdef pt_thread_state *t = pt_room()
    if kind == PT_UNWIND and t != NULL:
        t = tell_raised(t, value)
    if t == NULL:
        return
    pt_put(t, pt_now(pt_tick_source), PT_WORD(kind, depth, state.id))
    t.open[depth].frame = 0
    if state.pending:
        state.pending -= 1
        if state.pending == 0:
            pt_set_call(<PyObject *> return_callback, on_return)


cdef bint is_behind(PyObject *code, CodeState *state, PyObject *offset) noexcept:
    """Whether none of the muted function's recorded frames can come to this exit any more. Dear: not asked for ever."""
    if state.asked == MOST_ASKED:
        pt_set_call(<PyObject *> return_callback, on_return_of_recursion)
        return False
    state.asked += 1
    return pt_exit_is_behind(code, <uint32_t> (PyLong_AsSize_t(offset) >> 1), state.pending)


cdef PyObject *on_return_of_recursion(PyObject *self, PyObject *const *args, size_t count, PyObject *names) noexcept:
    """`on_return` while exits of a muted function must stay on for its outermost frames: most are to be passed over,
    and the clock is not read for these."""
    cdef CodeState *state = state_of(args[0])
    cdef pt_thread_state *t = pt_me
    cdef uint32_t depth
    if is_muted(state) and state.pending and state.asked == MOST_ASKED:
        depth = pt_depth(t)
        if depth >= t.depths or t.open[depth].frame != state.id:
            return none()
    return on_return(self, args, count, names)


cdef bint may_disable(CodeState *state, PyObject *const *args) noexcept:
    """Whether a muted function's call site may be switched off, although all C calls are asked for."""
    cdef Site *site = site_at(state, args[0], <uint32_t> (PyLong_AsSize_t(args[1]) >> 1))
    return site != NULL and QUIET <= site.quiet < KEPT and site.open == 0
