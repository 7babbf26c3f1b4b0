# The hooks: what runs for each event. Whatever is new to them, or more than a plain function, is slowpaths.pxi's.

from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc

from spool cimport (
    PT_BLOCKING, PT_CALL, PT_C_RAISE, PT_C_RETURN, PT_RESUME, PT_RETURN, PT_START, PT_THROW, PT_UNWIND, PT_WORD,
    PT_YIELD, pt_now,
)
from writer cimport (
    PT_UNLIKELY, PyLong_AsSize_t, Py_SIZE, pt_deepen, pt_depth, pt_is_python, pt_me, pt_put, pt_refill, pt_room,
    pt_thread_state, pt_tick_source,
)

# ---- hooks: frames ----

# The clock is read first: the processor waits at that instruction for what is before it, and not for what is after.

cdef inline PyObject *enter(PyObject *code, uint32_t kind) noexcept:
    cdef uint64_t tick = pt_now(pt_tick_source)
    cdef CodeState *state = state_of(code)
    cdef pt_thread_state *t = pt_me
    cdef uint32_t depth
    if PT_UNLIKELY(state == NULL or state.epoch != epoch):
        return enter_slowly(code, kind)
    if PT_UNLIKELY(t.cursor == t.end):
        t = pt_refill()
        if t == NULL:
            return none()
        if state.epoch != epoch:
            return enter_slowly(code, kind)
        tick = pt_now(pt_tick_source)
    depth = pt_depth(t)
    if PT_UNLIKELY(depth >= t.depths) and not pt_deepen(t, depth):
        return none()
    pt_put(t, tick, PT_WORD(kind, depth, state.id))
    t.open[depth].frame = state.id
    t.open[depth].call = 0
    return none()


cdef inline PyObject *leave(PyObject *code, uint32_t kind, PyObject *value, PyObject *offset) noexcept:
    cdef uint64_t tick = pt_now(pt_tick_source)
    cdef CodeState *state = state_of(code)
    cdef pt_thread_state *t = pt_me
    cdef uint32_t depth
    if PT_UNLIKELY(state == NULL or state.epoch != epoch):
        return leave_slowly(code, kind, value, offset)
    if PT_UNLIKELY(t.cursor == t.end):
        t = pt_refill()
        if t == NULL:
            return none()
        if state.epoch != epoch:
            return leave_slowly(code, kind, value, offset)
        tick = pt_now(pt_tick_source)
    depth = pt_depth(t)
    if PT_UNLIKELY(depth >= t.depths or t.open[depth].frame != state.id):
        return none()
    if kind == PT_UNWIND:
        t = tell_raised(t, value)
        if t == NULL:
            return none()
        if state.epoch != epoch:
            return leave_slowly(code, kind, value, offset)
        tick = pt_now(pt_tick_source)
    pt_put(t, tick, PT_WORD(kind, depth, state.id))
    t.open[depth].frame = 0
    return none()


cdef PyObject *on_start(PyObject *self, PyObject *const *args, size_t count, PyObject *names) noexcept:
    return enter(args[0], PT_START)


cdef PyObject *on_resume(PyObject *self, PyObject *const *args, size_t count, PyObject *names) noexcept:
    return enter(args[0], PT_RESUME)


cdef PyObject *on_throw(PyObject *self, PyObject *const *args, size_t count, PyObject *names) noexcept:
    return enter(args[0], PT_THROW)


cdef PyObject *on_return(PyObject *self, PyObject *const *args, size_t count, PyObject *names) noexcept:
    return leave(args[0], PT_RETURN, args[2], args[1])


cdef PyObject *on_yield(PyObject *self, PyObject *const *args, size_t count, PyObject *names) noexcept:
    return leave(args[0], PT_YIELD, args[2], args[1])


cdef PyObject *on_unwind(PyObject *self, PyObject *const *args, size_t count, PyObject *names) noexcept:
    return leave(args[0], PT_UNWIND, args[2], args[1])


# ---- hooks: C calls ----

cdef inline Site *site_at(CodeState *state, PyObject *code, uint32_t unit) noexcept:
    if PT_UNLIKELY(state.sites == NULL):
        state.sites_count = <uint32_t> Py_SIZE(code)
        state.sites = <Site *> calloc(state.sites_count + 1, sizeof(Site))
    return &state.sites[unit] if state.sites != NULL and unit < state.sites_count else NULL


cdef inline bint begin_call(PyObject *code, CodeState *state, uint32_t unit, PyObject *callable) noexcept:
    """Record the call if it is to be recorded. True when its site may be switched off."""
    cdef pt_thread_state *t = pt_room()
    cdef uint32_t depth
    cdef uint32_t id
    cdef uint32_t flags = 0
    cdef uint64_t tick
    cdef Site *site
    if PT_UNLIKELY(t == NULL):
        return False
    depth = pt_depth(t)
    if PT_UNLIKELY(depth >= t.depths) and not pt_deepen(t, depth):
        return False
    t.open[depth].call = 0
    site = site_at(state, code, unit)
    if site == NULL:
        return False
    if call_mode == CALLS_AUTO and site.quiet >= QUIET and site.quiet != KEPT:
        return site.open == 0
    if pt_is_python(callable):
        if site.quiet < QUIET:
            site.quiet += 1
        return False
    id = callable_id(callable, &flags)
    if id == 0:
        if flags == OURS and site.quiet < QUIET:
            site.quiet += 1
        return False
    t = pt_room()                  # naming it may have taken the room
    if t == NULL:
        return False
    if flags & PT_BLOCKING:
        site.quiet = KEPT
    if site.open < 255:
        site.open += 1             # at 255 it stays: some of its calls never returned, it is never switched off
    tick = pt_now(pt_tick_source)
    pt_put(t, tick, PT_WORD(PT_CALL, depth, id))
    t.open[depth].call = id
    t.calls[depth].site = <uint64_t> state.id << 32 | unit
    t.calls[depth].tick = tick
    return False


cdef inline void end_call(PyObject *code, CodeState *state, uint32_t unit, uint32_t kind) noexcept:
    cdef pt_thread_state *t = pt_room()
    cdef uint64_t tick = pt_now(pt_tick_source)
    cdef uint32_t depth
    cdef Site *site
    if PT_UNLIKELY(t == NULL):
        return
    depth = pt_depth(t)
    # Not by the callable: CALL may show a method, and C_RETURN the function in it.
    if depth >= t.depths or t.open[depth].call == 0:
        return
    if t.calls[depth].site != (<uint64_t> state.id << 32 | unit):
        return
    pt_put(t, tick, PT_WORD(kind, depth, t.open[depth].call))
    t.open[depth].call = 0
    site = site_at(state, code, unit)
    if site != NULL:
        if site.open < 255:
            site.open -= 1
        if site.quiet != KEPT:
            if tick - t.calls[depth].tick > quick_ticks:
                site.quiet = 0
            elif site.quiet < QUIET:
                site.quiet += 1


cdef PyObject *on_call(PyObject *self, PyObject *const *args, size_t count, PyObject *names) noexcept:
    cdef CodeState *state = state_of(args[0])
    if PT_UNLIKELY(state == NULL or state.epoch != epoch):
        state = admitted(args[0])
        if state == NULL:
            return refusal(args[0], True)
        if is_muted(state) and call_mode == CALLS_ALL and may_disable(state, args):
            return disabled()
    if begin_call(args[0], state, <uint32_t> (PyLong_AsSize_t(args[1]) >> 1), args[2]):
        return disabled()
    return none()


cdef inline PyObject *on_call_end(PyObject *const *args, uint32_t kind) noexcept:
    cdef CodeState *state = state_of(args[0])
    if is_known(state):
        end_call(args[0], state, <uint32_t> (PyLong_AsSize_t(args[1]) >> 1), kind)
    return none()


cdef PyObject *on_c_return(PyObject *self, PyObject *const *args, size_t count, PyObject *names) noexcept:
    return on_call_end(args, PT_C_RETURN)


cdef PyObject *on_c_raise(PyObject *self, PyObject *const *args, size_t count, PyObject *names) noexcept:
    return on_call_end(args, PT_C_RAISE)


# ---- hooks: 3.11 ----

cdef void profile_enter(PyObject *code, uint32_t kind) noexcept:
    enter(code, kind)


cdef void profile_leave(PyObject *code, uint32_t kind, PyObject *value) noexcept:
    leave(code, kind, value, NULL)


cdef void profile_call(PyObject *code, uint32_t unit, PyObject *callable) noexcept:
    cdef CodeState *state = state_of(code)
    if call_mode == CALLS_NONE:
        return
    if state == NULL or state.epoch != epoch:
        state = admitted(code)
    if state != NULL:
        begin_call(code, state, unit, callable)


cdef void profile_call_end(PyObject *code, uint32_t unit, uint32_t kind) noexcept:
    cdef CodeState *state = state_of(code)
    if is_known(state):
        end_call(code, state, unit, kind)
