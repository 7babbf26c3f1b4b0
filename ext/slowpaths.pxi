# Where the hooks go when a code object, a callable or an exception is new.

from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from spool cimport PT_RAISED, PT_RETURN, PT_START, PT_THROW, PT_UNWIND, PT_WORD, PT_YIELD, pt_now
from writer cimport (
    PyCodeObject, PyErr_Clear, PyExceptionInstance_Check, Py_None, Py_TYPE, pt_callable_key, pt_current, pt_deepen,
    pt_depth, pt_enter_coroutine, pt_is_outermost, pt_put, pt_room, pt_set_extra, pt_thread_state, pt_tick_source,
    pt_type_public_name, pt_watch_entry, pt_watch_return, pt_watch_yield,
)

cdef PyObject *enter_slowly(PyObject *code, uint32_t kind) noexcept:
    """`enter` for a code object that is new, and for one that is never plain: more is written before its record."""
    cdef CodeState *state = admitted(code)
    cdef pt_thread_state *t
    cdef uint32_t depth
    if state == NULL:
        return refusal(code, kind != PT_THROW)
    t = pt_room()
    if t == NULL:
        return none()
    if is_muted(state):
        return disabled() if kind != PT_THROW else none()
    depth = pt_depth(t)
    if depth >= t.depths and not pt_deepen(t, depth):
        return none()
    if state.coroutine:
        pt_enter_coroutine(t, depth, state.id, kind)
        t = pt_room()
        if t == NULL:
            return none()
    pt_put(t, pt_now(pt_tick_source), PT_WORD(kind, depth, state.id))
    t.open[depth].frame = state.id
    t.open[depth].call = 0
    if state.watched:
        pt_watch_entry(state.watched, depth)
    if state.kept and kind == PT_START and t.paused == NULL:
        tell_arguments(code, state.id)
    return none()


cdef PyObject *leave_slowly(PyObject *code, uint32_t kind, PyObject *value, PyObject *offset) noexcept:
    """`leave`, likewise. `value` is what is returned, yielded or raised; NULL where that is not told."""
    cdef CodeState *state = state_of(code)
    cdef bint known = is_known(state)
    cdef pt_thread_state *t
    cdef uint32_t depth
    if is_muted(state):
        return leave_muted(code, state, kind, value, offset)
    state = admitted(code)
    if state == NULL:
        return refusal(code, kind != PT_UNWIND)
    if not known and not resumed:
        return none()              # entered before this recording
    t = pt_room()
    if t == NULL:
        return none()
    if is_muted(state):            # by now
        return leave_muted(code, state, kind, value, offset)
    depth = pt_depth(t)
    if depth >= t.depths or t.open[depth].frame != state.id:
        return none()
    if state.kept and kind == PT_RETURN and t.paused == NULL:
        tell_result(value, state.id)
        t = pt_room()
        if t == NULL or depth >= t.depths:  # a repr may have done anything: forked, stopped the recording
            return none()
    if kind == PT_UNWIND:
        t = tell_raised(t, value)
    elif kind == PT_YIELD and (state.watched or pt_is_outermost(t, depth)):
        pt_watch_yield(state.watched, depth, value)
        t = pt_room()
    elif kind == PT_RETURN and state.watched:
        pt_watch_return(state.watched, depth, value)
        t = pt_room()
    if t == NULL:
        return none()
    pt_put(t, pt_now(pt_tick_source), PT_WORD(kind, depth, state.id))
    t.open[depth].frame = 0
    return none()


cdef PyObject *refusal(PyObject *code, bint may_disable) noexcept:
    """The answer for a code object that `admitted` turned down: DISABLE where that is for good."""
    cdef CodeState *state = state_of(code)
    cdef bint final = pt_current == NULL or pt_current.file.off or (state != NULL and state.excluded)
    if may_disable and final and disable != NULL:
        return disabled()
    return none()


cdef inline PyObject *disabled() noexcept:
    Py_INCREF(<object> disable)
    return disable


cdef CodeState *admitted(PyObject *code) noexcept:
    """At first sight of a code object in this recording judge it and write its name. NULL if it is not recorded."""
    cdef CodeState *state = state_of(code)
    if state != NULL and epoch and state.epoch & ~<uint32_t> (SPECIAL | MUTED) == epoch:
        return state
    if epoch == 0 or pt_current == NULL or pt_current.file.off:
        return NULL
    if state == NULL:
        state = <CodeState *> calloc(1, sizeof(CodeState))
        if state == NULL:
            return NULL
        if pt_set_extra(code, extra_index, state) != 0:
            PyErr_Clear()
            free(state)
            return NULL
    if state.judged == serial and state.excluded:
        return NULL
    try:
        return state if recording.admit(<PyCodeObject *> code, state) else NULL
    except BaseException:
        switch_off()
        return NULL


cdef pt_thread_state *tell_raised(pt_thread_state *t, PyObject *raised) noexcept:
    """Write the type of the exception that the next record leaves with. The state with room, or NULL."""
    cdef uint32_t id = 0
    if raised == NULL or raised == Py_None or not PyExceptionInstance_Check(raised):
        return t
    try:
        id = recording.text_id(pt_type_public_name(Py_TYPE(raised)))
    except BaseException:
        switch_off()
        return NULL
    t = pt_room()
    if id and t != NULL:
        pt_put(t, pt_now(pt_tick_source), PT_WORD(PT_RAISED, 0, id))
        t = pt_room()
    return t


cdef uint32_t callable_id(PyObject *callable, uint32_t *flags) noexcept:
    """The id of a C callable's name, 0 when it can't be written; its flags."""
    cdef uint64_t check = 0
    cdef uint64_t key = pt_callable_key(callable, &check)
    cdef Callable *known = recording.slot(key, check) if key else NULL
    if known != NULL and known.key == key and known.check == check:
        flags[0] = known.flags
        return known.id
    try:
        return recording.name_callable(callable, key, check, flags)
    except BaseException:
        switch_off()
        return 0


cdef void switch_off() noexcept:
    """Our own failure: record no more. The summary says so."""
    PyErr_Clear()
    if pt_current != NULL:
        pt_current.file.off = 1
        pt_current.error = -1
