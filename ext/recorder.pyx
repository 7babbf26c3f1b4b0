# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, binding=False
"""The hooks: all that runs in a traced process for each call. writer.h appends the records.

Each hook is: look up the code object's state; if this recording knows it, append one record, else take the slow
path, whose functions are below the hooks. DISABLE is the filter: code that is not wanted is asked about once.

The nesting stays whole although sites are switched off at any time, because an exit is only recorded if its
entry was: `t.open[depth]` says so. docs/how-it-works.md tells the story.
"""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

import os
import sys

from spool cimport (
    PT_BLOCKING, PT_CALL, PT_CALLABLE, PT_CODE, PT_C_RAISE, PT_C_RETURN, PT_INSTANT, PT_MARK, PT_PROCESS, PT_RAISED,
    PT_RESUME, PT_RETURN, PT_SESSION_BEGIN, PT_SESSION_END, PT_SPAN_BEGIN, PT_SPAN_END, PT_START, PT_STRING,
    PT_TEST_BEGIN, PT_TEST_END, PT_THREAD, PT_THROW, PT_UNWIND, PT_WORD, PT_YIELD, pt_callable, pt_choose_clock,
    pt_code, pt_monotonic_ns, pt_now, pt_thread,
)
from writer cimport (
    PT_CAN_DETACH, PT_HAS_MONITORING, PT_MAX_PAYLOAD, PT_MAX_TEXT, PT_NAMED, PT_UNKNOWN, PT_UNLIKELY, PT_UNNAMED,
    PyCodeObject, PyDict_CheckExact, PyDict_GetItemString, PyDict_GetItemWithError, PyErr_Clear,
    PyExceptionInstance_Check, PyLong_AsSize_t, PyModule_GetDict, PyObject_GenericGetDict, PyThread_get_thread_ident,
    Py_DECREF, Py_None, Py_SIZE, Py_TYPE, pt_begin, pt_callable_key, pt_callable_name, pt_children, pt_children_alive,
    pt_current, pt_current_code, pt_deepen, pt_depth, pt_extra_of, pt_finish, pt_glob_matches, pt_go_on, pt_introduce,
    pt_is_python, pt_loaded_module, pt_me, pt_native_thread_id, pt_new_callback, pt_new_id, pt_pause, pt_process_id,
    pt_profile_call, pt_profile_call_end, pt_profile_enter, pt_profile_leave, pt_profiler_is_set, pt_put,
    pt_put_payload, pt_refill, pt_request_extra, pt_room, pt_set_extra, pt_set_profiler, pt_spawn_detached, pt_states,
    pt_states_used, pt_tap_processes, pt_thread_state, pt_tick_source, pt_try_plain_extra, pt_type_public_name,
)

# ---- what is known of code objects and of call sites ----

cdef struct Site:
    uint8_t quiet          # calls in a row that were quick or to Python; KEPT: it blocks, never switch it off
    uint8_t open           # recorded calls that have not returned yet

cdef enum:
    QUIET = 4              # so many quiet calls, and a site answers DISABLE
    KEPT = 255
    QUICK_NS = 20000

cdef struct CodeState:     # in the code object's co_extra; freed with it
    uint32_t epoch         # the recording that has its name: events are recorded at once
    uint32_t id
    uint32_t judged        # the recording whose patterns said `excluded`
    uint32_t excluded
    uint32_t sites_count
    Site *sites            # by code unit

cdef enum CallMode:
    CALLS_NONE = 0
    CALLS_AUTO = 1
    CALLS_ALL = 2

cdef Py_ssize_t extra_index = -1
cdef uint32_t epoch = 0            # the current recording's serial, 0 = none: no code object has it
cdef bint resumed = False          # after an inner recording, which may have met what is open in this one
cdef uint32_t call_mode = CALLS_NONE
cdef uint64_t quick_ticks = 0
cdef PyObject *disable = NULL      # sys.monitoring.DISABLE
cdef Recording recording = None    # the slow paths' memory of the current recording


cdef inline PyObject *none() noexcept nogil:
    return Py_None                 # immortal where callbacks answer with it (3.12 and later)


cdef inline CodeState *state_of(PyObject *code) noexcept nogil:
    return <CodeState *> pt_extra_of(code, extra_index)


# ---- hooks: frames ----

# The clock is read first: the processor waits at that instruction for what is before it, and not for what is after.

cdef inline PyObject *enter(PyObject *code, uint32_t kind) noexcept:
    cdef uint64_t tick = pt_now(pt_tick_source)
    cdef CodeState *state = state_of(code)
    cdef pt_thread_state *t = pt_me
    cdef uint32_t depth
    if PT_UNLIKELY(state == NULL or state.epoch != epoch):
        state = admitted(code)
        if state == NULL:
            return refusal(code, kind != PT_THROW)
        tick = pt_now(pt_tick_source)
    if PT_UNLIKELY(t.cursor == t.end):
        t = pt_refill()
        if t == NULL:
            return none()
        tick = pt_now(pt_tick_source)
    depth = pt_depth(t)
    if PT_UNLIKELY(depth >= t.depths) and not pt_deepen(t, depth):
        return none()
    pt_put(t, tick, PT_WORD(kind, depth, state.id))
    t.open[depth].frame = state.id
    t.open[depth].call = 0
    return none()


cdef inline PyObject *leave(PyObject *code, uint32_t kind, PyObject *raised) noexcept:
    cdef uint64_t tick = pt_now(pt_tick_source)
    cdef CodeState *state = state_of(code)
    cdef pt_thread_state *t = pt_me
    cdef uint32_t depth
    if PT_UNLIKELY(state == NULL or state.epoch != epoch):
        state = admitted(code)
        if state == NULL:
            return refusal(code, kind != PT_UNWIND)
        if not resumed:
            return none()          # entered before this recording
        tick = pt_now(pt_tick_source)
    if PT_UNLIKELY(t.cursor == t.end):
        t = pt_refill()
        if t == NULL:
            return none()
        tick = pt_now(pt_tick_source)
    depth = pt_depth(t)
    if PT_UNLIKELY(depth >= t.depths or t.open[depth].frame != state.id):
        return none()
    if raised != NULL:
        t = tell_raised(t, raised)
        if t == NULL:
            return none()
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
    return leave(args[0], PT_RETURN, NULL)


cdef PyObject *on_yield(PyObject *self, PyObject *const *args, size_t count, PyObject *names) noexcept:
    return leave(args[0], PT_YIELD, NULL)


cdef PyObject *on_unwind(PyObject *self, PyObject *const *args, size_t count, PyObject *names) noexcept:
    return leave(args[0], PT_UNWIND, args[2])


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
    if begin_call(args[0], state, <uint32_t> (PyLong_AsSize_t(args[1]) >> 1), args[2]):
        Py_INCREF(<object> disable)
        return disable
    return none()


cdef inline PyObject *on_call_end(PyObject *const *args, uint32_t kind) noexcept:
    cdef CodeState *state = state_of(args[0])
    if state != NULL and state.epoch == epoch:
        end_call(args[0], state, <uint32_t> (PyLong_AsSize_t(args[1]) >> 1), kind)
    return none()


cdef PyObject *on_c_return(PyObject *self, PyObject *const *args, size_t count, PyObject *names) noexcept:
    return on_call_end(args, PT_C_RETURN)


cdef PyObject *on_c_raise(PyObject *self, PyObject *const *args, size_t count, PyObject *names) noexcept:
    return on_call_end(args, PT_C_RAISE)


# ---- hooks: 3.11 ----

cdef void profile_enter(PyObject *code, uint32_t kind) noexcept:
    enter(code, kind)


cdef void profile_leave(PyObject *code, uint32_t kind) noexcept:
    leave(code, kind, NULL)


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
    if state != NULL and state.epoch == epoch:
        end_call(code, state, unit, kind)


# ---- slow paths of the hooks ----

cdef PyObject *refusal(PyObject *code, bint may_disable) noexcept:
    """The answer for a code object that `admitted` turned down: DISABLE where that is for good."""
    cdef CodeState *state = state_of(code)
    cdef bint final = pt_current == NULL or pt_current.file.off or (state != NULL and state.excluded)
    if may_disable and final and disable != NULL:
        Py_INCREF(<object> disable)
        return disable
    return none()


cdef CodeState *admitted(PyObject *code) noexcept:
    """First sight of a code object in this recording: judge it and write its name. NULL if it is not recorded."""
    cdef CodeState *state = state_of(code)
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
    if state.judged == epoch and state.excluded:
        return NULL
    try:
        return state if recording.admit(<PyCodeObject *> code, state) else NULL
    except BaseException:
        switch_off()
        return NULL


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
        free(state.sites)
        free(state)


cdef pt_thread_state *tell_raised(pt_thread_state *t, PyObject *raised) noexcept:
    """Write the type of the exception that the next record leaves with. The state with room, or NULL."""
    cdef uint32_t id = 0
    if raised == Py_None or not PyExceptionInstance_Check(raised):
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


# Calls that wait, by the name that we write. A slow call of any other kind keeps its site on too, until four quick
# ones in a row.
cdef frozenset BLOCKING = frozenset("""
time.sleep threading.lock.acquire threading.lock.__enter__ threading.lock.acquire_lock threading.RLock.acquire
threading.RLock.__enter__ threading.start_joinable_thread threading._ThreadHandle.join threading._shutdown
select.select select.poll.poll select.epoll.poll select.devpoll.poll select.kqueue.control
socket.socket.accept socket.socket._accept socket.socket.connect socket.socket.connect_ex socket.socket.recv
socket.socket.recv_into socket.socket.recvfrom socket.socket.recvfrom_into socket.socket.recvmsg
socket.socket.recvmsg_into socket.socket.send socket.socket.sendall socket.socket.sendto socket.socket.sendmsg
socket.getaddrinfo socket.gethostbyname
ssl._SSLSocket.read ssl._SSLSocket.write ssl._SSLSocket.do_handshake ssl._SSLSocket.shutdown
os.read os.readv os.pread os.write os.writev os.pwrite os.sendfile os.splice os.wait os.wait3 os.wait4 os.waitid
os.waitpid os.system os.fsync os.fdatasync os.lockf os.posix_spawn os.posix_spawnp os.fork os.forkpty os.execv os.execve
fcntl.flock fcntl.lockf fcntl.fcntl signal.pause signal.sigwait signal.sigwaitinfo signal.sigtimedwait
queue.SimpleQueue.get multiprocessing.SemLock.acquire multiprocessing.SemLock.__enter__ subprocess.fork_exec
io.FileIO.read io.FileIO.readinto io.FileIO.readall io.FileIO.write io.BufferedReader.read io.BufferedReader.read1
io.BufferedReader.readinto io.BufferedReader.readline input
winapi.WaitForSingleObject winapi.WaitForMultipleObjects winapi.ReadFile winapi.WriteFile winapi.CreateProcess
winapi.ConnectNamedPipe _overlapped.GetQueuedCompletionStatus
""".split())


cdef struct Callable:
    uint64_t key
    uint64_t check
    uint32_t id
    uint32_t flags

cdef enum:
    CALLABLES = 4096       # direct-mapped: a collision costs a look-up by name


cdef class Recording:
    """What the slow paths remember of one recording: patterns, and the ids of what was already written."""

    cdef uint32_t serial
    cdef uint32_t call_mode
    cdef list included     # globs, as bytes
    cdef list excluded
    cdef list machinery
    cdef dict texts        # text -> id
    cdef dict callables    # name -> id
    cdef Callable *table
    cdef Recording outer

    def __cinit__(self):
        self.table = <Callable *> calloc(CALLABLES, sizeof(Callable))
        if self.table == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.table)

    cdef Callable *slot(self, uint64_t key, uint64_t check) noexcept:
        return &self.table[((key >> 4) * <uint64_t> 0x9e3779b97f4a7c15 ^ check) >> 20 & (CALLABLES - 1)]

    cdef bint admit(self, PyCodeObject *code, CodeState *state) except -1:
        """Judge the code object; if it is wanted, see to it that its name is written."""
        cdef str file = exact(<object> code.co_filename)
        cdef bytes name
        cdef pt_code head
        if state.judged != self.serial:
            state.excluded = self.excludes(utf8(file))
            state.judged = self.serial
        if state.excluded:
            return False
        head.file = self.text_id(file)
        head.line = <uint32_t> max(code.co_firstlineno, 0)
        head.flags = <uint32_t> code.co_flags
        if head.file == 0:
            return False
        if state.id == 0:
            state.id = pt_new_id()
        name = utf8(exact(<object> code.co_qualname))[:PT_MAX_TEXT]
        if not put(PT_CODE, state.id, &head, sizeof(head), name):
            return False
        state.epoch = self.serial
        return True

    cdef bint excludes(self, bytes file) noexcept:
        cdef bint chosen = matches(self.included, file)
        if self.included and not chosen:
            return True
        return matches(self.excluded, file) or (not chosen and matches(self.machinery, file))

    cdef uint32_t text_id(self, text) except? 0:
        """The id of a PT_STRING, written now if it is new; 0 when there was no room for it."""
        cdef uint32_t id
        known = self.texts.get(text)
        if known is not None:
            return known
        id = pt_new_id()
        if not put(PT_STRING, id, NULL, 0, utf8(text)[:PT_MAX_TEXT]):
            return 0
        self.texts[text] = id
        return id

    cdef uint32_t name_callable(self, PyObject *callable, uint64_t key, uint64_t check, uint32_t *flags) except? 0:
        cdef pt_callable head
        cdef Callable *place
        cdef uint32_t id
        name = pt_callable_name(callable)
        if (<str> name).startswith("pytest_timeline._recorder."):
            return 0               # our own
        head.flags = PT_BLOCKING if name in BLOCKING else 0
        known = self.callables.get(name)
        if known is not None:
            id = known
        else:
            id = pt_new_id()
            if not put(PT_CALLABLE, id, &head, sizeof(head), utf8(name)[:PT_MAX_TEXT]):
                return 0
            self.callables[name] = id
        if key:
            place = self.slot(key, check)
            place.key = key
            place.check = check
            place.id = id
            place.flags = head.flags
        flags[0] = head.flags
        return id


cdef str exact(text):
    """A str, not a subclass whose methods are somebody's code."""
    return text if type(text) is str else str.__str__(text)


cdef bytes fsencoded(str text):
    """Like os.fsencode, which is a Python function: the outer recording would show it."""
    return text.encode(sys.getfilesystemencoding(), sys.getfilesystemencodeerrors())


cdef bytes utf8(text):
    return (<str> text).encode("utf-8", "backslashreplace")


cdef bint matches(list globs, bytes name) noexcept:
    for glob in globs:
        if pt_glob_matches(<const char *> <bytes> glob, <const char *> name):
            return True
    return False


cdef bint put(uint32_t kind, uint32_t id, const void *head, size_t size, bytes text) noexcept:
    return pt_put_payload(kind, id, head, size, PyBytes_AS_STRING(text), <size_t> PyBytes_GET_SIZE(text))


# ---- thread names ----

cdef void introduce(pt_thread_state *t) noexcept:
    """Write who this thread is. `threading` knows its name from Thread.run on, so it is asked when the first frame
    outside that module shows; asking current_thread() would make up a dummy."""
    cdef pt_thread head
    cdef int64_t name_hash
    try:
        head.native_id = pt_native_thread_id()
        head.ident = PyThread_get_thread_ident()
        early = t.name_hash == 0 and in_threading_module()
        name = "" if early else thread_name(head.ident, head.native_id)
        name_hash = hash(name) or 1
        if t.seat.naming == PT_UNKNOWN or (name and name_hash != t.name_hash):
            if not put(PT_THREAD, 0, &head, sizeof(head), utf8(name)[:PT_MAX_TEXT]):
                return
            if name:
                t.name_hash = name_hash
        t.seat.naming = PT_UNNAMED if early else PT_NAMED
    except BaseException:
        switch_off()


cdef bint in_threading_module() except -1:
    cdef PyObject *code = pt_current_code()
    if code == NULL:
        return False
    file = exact(<object> (<PyCodeObject *> code).co_filename)
    Py_DECREF(code)
    return file.endswith("threading.py")


cdef str thread_name(unsigned long ident, uint64_t native_id):
    """The name that `threading` has for the thread, "" if none; read without running any user code."""
    cdef PyObject *module = pt_loaded_module("threading")
    cdef PyObject *active
    cdef PyObject *thread
    cdef object number = ident
    if module != NULL:
        active = PyDict_GetItemString(PyModule_GetDict(module), "_active")
        if active != NULL and PyDict_CheckExact(active):
            thread = PyDict_GetItemWithError(active, <PyObject *> number)
            if thread != NULL:
                attributes = PyObject_GenericGetDict(thread, NULL)
                name = attributes.get("_name") if type(attributes) is dict else None
                if type(name) is str:
                    return name
    return "MainThread" if native_id == pt_process_id() else ""


# ---- switching on and off ----

cdef enum:
    NO_TOOL = -1

cdef int tool = NO_TOOL
cdef list callbacks = []           # (event, callback), kept for arming again
cdef uint64_t disarmed = 0         # times that somebody took our hook away
TOOL_NAME = "pytest-timeline"
MARKS = {
    "SESSION_BEGIN": PT_SESSION_BEGIN,
    "SESSION_END": PT_SESSION_END,
    "TEST_BEGIN": PT_TEST_BEGIN,
    "TEST_END": PT_TEST_END,
    "SPAN_BEGIN": PT_SPAN_BEGIN,
    "SPAN_END": PT_SPAN_END,
    "INSTANT": PT_INSTANT,
}


cdef object wanted_events():
    events = sys.monitoring.events
    wanted = events.PY_START | events.PY_RESUME | events.PY_THROW
    wanted |= events.PY_RETURN | events.PY_YIELD | events.PY_UNWIND
    return wanted if call_mode == CALLS_NONE else wanted | events.CALL


cdef int arm() except -1:
    """Switch the hooks on, in every thread. RuntimeError when somebody else holds every tool id."""
    global tool, disable
    if not PT_HAS_MONITORING:
        arm_profiler()
        return 0
    monitoring = sys.monitoring
    events = monitoring.events
    if not callbacks:
        disable = <PyObject *> monitoring.DISABLE
        for event, call in (
            (events.PY_START, pt_new_callback(on_start)),
            (events.PY_RESUME, pt_new_callback(on_resume)),
            (events.PY_THROW, pt_new_callback(on_throw)),
            (events.PY_RETURN, pt_new_callback(on_return)),
            (events.PY_YIELD, pt_new_callback(on_yield)),
            (events.PY_UNWIND, pt_new_callback(on_unwind)),
            (events.CALL, pt_new_callback(on_call)),
            (events.C_RETURN, pt_new_callback(on_c_return)),
            (events.C_RAISE, pt_new_callback(on_c_raise)),
        ):
            callbacks.append((event, call))
    if tool != NO_TOOL and monitoring.get_tool(tool) != TOOL_NAME:
        tool = NO_TOOL             # somebody freed it
    if tool == NO_TOOL:
        # Not 0 to 2, which debuggers, coverage and cProfile claim by convention.
        for id in (4, 3, 5):
            if monitoring.get_tool(id) is None:
                monitoring.use_tool_id(id, TOOL_NAME)
                tool = id
                break
        else:
            held = ", ".join(f"{id} by {monitoring.get_tool(id)}" for id in (3, 4, 5))
            raise RuntimeError(f"every sys.monitoring tool id is taken ({held})")
    for event, call in callbacks:
        monitoring.register_callback(tool, event, call)
    monitoring.set_events(tool, wanted_events())
    return 0


cdef int disarm() except -1:
    global tool
    if not PT_HAS_MONITORING:
        disarm_profiler()
    elif tool != NO_TOOL and sys.monitoring.get_tool(tool) == TOOL_NAME:
        sys.monitoring.set_events(tool, 0)
        # 3.12 and 3.13.0 leave the callbacks of a freed tool live.
        for event, _ in callbacks:
            sys.monitoring.register_callback(tool, event, None)
        sys.monitoring.free_tool_id(tool)
    tool = NO_TOOL
    return 0


cdef bint armed():
    if not PT_HAS_MONITORING:
        return pt_profiler_is_set()
    if tool == NO_TOOL or sys.monitoring.get_tool(tool) != TOOL_NAME:
        return False
    return sys.monitoring.get_events(tool) & wanted_events() == wanted_events()


def _profile_thread(frame, what, argument):
    """For threading.setprofile on 3.11: a new thread's first event swaps in the C hook."""
    pt_set_profiler(2 if epoch else 0)


cdef int arm_profiler() except -1:
    import threading
    if threading._profile_hook is not _profile_thread:  # not getprofile(): a recording would show its frame
        threading.setprofile(_profile_thread)
    pt_set_profiler(1)
    return 0


cdef int disarm_profiler() except -1:
    import threading
    if threading._profile_hook is _profile_thread:
        threading.setprofile(None)
    pt_set_profiler(0)
    return 0


cdef void become(Recording next_recording):
    """Make `next_recording` (None: nothing) what the hooks record into."""
    global epoch, call_mode, recording
    recording = next_recording
    call_mode = CALLS_NONE if next_recording is None else next_recording.call_mode
    epoch = 0 if next_recording is None else next_recording.serial


# ---- the module's interface: see _recorder.pyi ----

def start(str directory, *, uint32_t clock, str c_calls="auto", included=(), excluded=(), machinery=()):
    global quick_ticks, resumed
    cdef Recording fresh = Recording()
    cdef uint64_t ns = pt_monotonic_ns()
    cdef uint64_t tick = pt_now(clock)
    cdef int error
    fresh.call_mode = {"none": CALLS_NONE, "auto": CALLS_AUTO, "all": CALLS_ALL}[c_calls]
    fresh.included = [fsencoded(glob) for glob in included]
    fresh.excluded = [fsencoded(glob) for glob in excluded]
    fresh.machinery = [fsencoded(glob) for glob in machinery]
    fresh.texts = {}
    fresh.callables = {}
    fresh.outer = recording
    if extra_index < 0:
        claim_extra()
    path = fsencoded(directory)
    error = pt_begin(path, clock)
    if error:
        raise OSError(error, os.strerror(error), directory)
    fresh.serial = pt_current.serial
    ns = pt_monotonic_ns() - ns
    if ns:
        quick_ticks = (pt_now(clock) - tick) * QUICK_NS // ns
    become(fresh)
    resumed = False
    try:
        pt_tap_processes(1)
        put(PT_PROCESS, 0, NULL, 0, b"\0".join(fsencoded(word) for word in sys.orig_argv)[:PT_MAX_PAYLOAD])
        arm()
        if fresh.outer is not None and PT_HAS_MONITORING:
            sys.monitoring.restart_events()  # other patterns: code that was switched off may be wanted now
    except BaseException:
        become(fresh.outer)
        pt_finish()
        if fresh.outer is None:
            pt_tap_processes(0)
        raise


def stop():
    global resumed
    cdef Recording outer
    if recording is None:
        return
    outer = recording.outer
    become(outer)
    resumed = outer is not None
    pt_finish()
    if outer is None:
        pt_tap_processes(0)
        disarm()
    elif PT_HAS_MONITORING:
        arm()
        sys.monitoring.restart_events()


def active():
    return recording is not None


def mark(uint32_t code, bytes payload):
    if recording is not None:
        if len(payload) > PT_MAX_PAYLOAD:
            raise ValueError(f"a mark of {len(payload)} bytes, more than {PT_MAX_PAYLOAD}")
        put(PT_MARK, code, NULL, 0, payload)


def pause():
    if recording is not None:
        pt_pause()


def go_on():
    pt_go_on(pt_me)


def refresh():
    global disarmed
    cdef uint32_t i
    if recording is None:
        return
    for i in range(pt_states_used):
        if pt_states[i].alive and pt_states[i].seat != NULL and pt_states[i].seat.naming == PT_NAMED:
            pt_states[i].seat.naming = PT_UNNAMED
            pt_states[i].end = pt_states[i].cursor  # so that its next record looks
    if not pt_current.file.off and not armed():
        disarmed += 1
        try:
            arm()
        except RuntimeError:
            pt_current.file.off = 1
            pt_current.error = -1


def losses():
    if pt_current == NULL:
        return {"dropped": 0, "stalled_ns": 0, "error": 0, "disarmed": disarmed}
    return {
        "dropped": pt_current.lost + (pt_current.file.header.dropped if pt_current.file.alive else 0),
        "stalled_ns": pt_current.file.header.stalled_ns if pt_current.file.alive else 0,
        "error": pt_current.error,
        "disarmed": disarmed,
    }


def children():
    return [(pt_children[i].pid, pt_children[i].tick) for i in range(pt_children_alive())]


def choose_clock():
    return pt_choose_clock()


def now(uint32_t clock):
    return pt_now(clock)


def spawn_detached(argv):
    cdef list words = [bytes(word) for word in argv]
    cdef char **array
    cdef int pid = 0
    cdef int error
    cdef Py_ssize_t i
    if not PT_CAN_DETACH:
        raise OSError("no way to detach a process here")
    array = <char **> calloc(<size_t> (len(words) + 1), sizeof(char *))
    if array == NULL:
        raise MemoryError
    for i in range(len(words)):
        array[i] = PyBytes_AS_STRING(words[i])
    error = pt_spawn_detached(array, &pid)
    free(array)
    if error:
        raise OSError(error, os.strerror(error), os.fsdecode(words[0]))
    return pid


pt_introduce = introduce
pt_profile_enter = profile_enter
pt_profile_leave = profile_leave
pt_profile_call = profile_call
pt_profile_call_end = profile_call_end
