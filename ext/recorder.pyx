# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, binding=False
"""pytest_timeline._recorder: all that runs in a traced process for each call. writer.h appends the records.

Each hook is: look up the code object's state; if this recording knows it, append one record, else take the slow
path. DISABLE is the filter: code that is not wanted is asked about once.

The nesting stays whole although sites are switched off at any time, because an exit is only recorded if its
entry was: `t.open[depth]` says so. docs/how-it-works.md tells the story.

The jobs are in the files that are included below. They are one C file, so that a hook is compiled as a whole.
"""
from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free

import os
import sys

from spool cimport (
    PT_COUNTER, PT_INSTANT, PT_MARK, PT_PROCESS, PT_SESSION_BEGIN, PT_SESSION_END, PT_SPAN_BEGIN, PT_SPAN_END,
    PT_TEST_BEGIN, PT_TEST_END, PT_USER_BEGIN, PT_USER_END, pt_choose_clock, pt_monotonic_ns, pt_now,
)
from writer cimport (
    PT_CAN_DETACH, PT_HAS_MONITORING, PT_MAX_PAYLOAD, PT_NAMED, PT_UNNAMED, PyThreadState_EnterTracing,
    PyThreadState_Get, PyThreadState_LeaveTracing, pt_begin, pt_children, pt_children_alive,
    pt_current, pt_finish, pt_go_on, pt_introduce, pt_leave_greenlets, pt_look_back, pt_me, pt_pause, pt_profile_call,
    pt_profile_call_end, pt_profile_enter, pt_profile_leave, pt_room, pt_spawn_detached, pt_states, pt_states_used,
    pt_tap_processes,
)

include "codes.pxi"
include "hooks.pxi"
include "slowpaths.pxi"
include "muting.pxi"
include "names.pxi"
include "arguments.pxi"
include "repr.pxi"
include "arming.pxi"
include "collections.pxi"
include "telling.pxi"

MARKS = {
    "SESSION_BEGIN": PT_SESSION_BEGIN,
    "SESSION_END": PT_SESSION_END,
    "TEST_BEGIN": PT_TEST_BEGIN,
    "TEST_END": PT_TEST_END,
    "SPAN_BEGIN": PT_SPAN_BEGIN,
    "SPAN_END": PT_SPAN_END,
    "INSTANT": PT_INSTANT,
    "USER_BEGIN": PT_USER_BEGIN,
    "USER_END": PT_USER_END,
    "COUNTER": PT_COUNTER,
}


CALL_MODES = {"none": CALLS_NONE, "auto": CALLS_AUTO, "all": CALLS_ALL}
cdef uint32_t epochs = 0            # given so far


cdef void become(Recording next_recording):
    """Make `next_recording` (None: nothing) what the hooks record into."""
    global epoch, serial, call_mode, suspended, sample, recording
    recording = next_recording
    if next_recording is None:
        epoch, serial, call_mode, suspended, sample = 0, NOBODY, CALLS_NONE, False, 0
    else:
        epoch, serial = next_recording.epoch, next_recording.serial
        call_mode, suspended = next_recording.call_mode, next_recording.suspended
        sample = next_recording.sample


cdef uint32_t new_epoch():
    global epochs
    epochs += 1
    return epochs


# ---- the module's interface: see _recorder.pyi ----

def start(str directory, *, uint32_t clock, str c_calls="auto", included=(), excluded=(), machinery=(), args=(),
          bint full=False, uint32_t sample=SAMPLE, uint64_t hot_ns=HOT_NS):
    global quick_ticks, hot_ticks, resumed
    cdef Recording fresh = Recording()
    cdef uint64_t ns = pt_monotonic_ns()
    cdef uint64_t tick = pt_now(clock)
    cdef int error
    fresh.call_mode = fresh.asked_call_mode = CALL_MODES[c_calls]
    fresh.args = fresh.asked_args = [Functions(pattern) for pattern in args]
    fresh.matched = set()
    fresh.epoch = fresh.asked_epoch = new_epoch()
    fresh.sample = fresh.asked_sample = sample if PT_CAN_MUTE and not full else 0
    fresh.included = [fsencoded(glob) for glob in included]
    fresh.excluded = [fsencoded(glob) for glob in excluded]
    fresh.machinery = [fsencoded(glob) for glob in machinery]
    fresh.texts = {}
    fresh.callables = {}
    fresh.outer = recording
    if extra_index < 0:
        claim_extra()
    unmute()
    path = fsencoded(directory)
    error = pt_begin(path, clock)
    if error:
        raise OSError(error, os.strerror(error), directory)
    fresh.serial = pt_current.serial
    ns = pt_monotonic_ns() - ns
    if ns:
        tick = pt_now(clock) - tick
        quick_ticks = tick * QUICK_NS // ns
        hot_ticks = tick * hot_ns // ns
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
    unmute()
    become(outer)
    resumed = outer is not None
    pt_finish()
    if outer is None:
        pt_leave_greenlets()
        pt_tap_processes(0)
        disarm()
        leave_collections()
    else:
        arm()
        if PT_HAS_MONITORING:
            sys.monitoring.restart_events()


def adjust(*, str c_calls=None, args=(), bint full=False):
    cdef uint32_t mode
    cdef bint rearm
    if recording is None:
        return
    unmute()
    mode = recording.asked_call_mode if c_calls is None else CALL_MODES[c_calls]
    rearm = mode != recording.call_mode
    if args:
        recording.args = recording.asked_args + [Functions(pattern) for pattern in args]
        recording.epoch = new_epoch()
    else:
        recording.args = recording.asked_args
        recording.epoch = recording.asked_epoch
    recording.call_mode = mode
    recording.sample = 0 if full else recording.asked_sample
    become(recording)
    if rearm:
        arm_again()
        if PT_HAS_MONITORING and mode == CALLS_ALL:
            sys.monitoring.restart_events()  # sites that showed quick calls were switched off


def suspend():
    if recording is not None and not suspended:
        unmute()
        recording.suspended = True
        become(recording)
        arm_again()


def resume():
    if recording is not None and suspended:
        recording.suspended = False
        become(recording)
        arm_again()


def active():
    return recording is not None


def mark(uint32_t code, bytes payload):
    if recording is not None:
        if len(payload) > PT_MAX_PAYLOAD:
            raise ValueError(f"a mark of {len(payload)} bytes, more than {PT_MAX_PAYLOAD}")
        pt_room()                  # a thread's first record says who it is
        if code == PT_TEST_BEGIN:
            begin_muting()
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
        arm_again()


def collections(uint64_t most):
    cdef uint64_t unplaced = 0
    if recording is not None:
        unplaced = recording.unplaced
        recording.places = most
        recording.placed = recording.placed_long = recording.unplaced = 0
        recording.collections = True
        hear_collections()
    return unplaced


def unseen(function, *args):
    PyThreadState_EnterTracing(PyThreadState_Get())
    try:
        return function(*args)
    finally:
        PyThreadState_LeaveTracing(PyThreadState_Get())


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
pt_look_back = look_back
pt_profile_enter = profile_enter
pt_profile_leave = profile_leave
pt_profile_call = profile_call
pt_profile_call_end = profile_call_end
