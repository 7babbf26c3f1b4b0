# Switching the hooks on and off: sys.monitoring's, and 3.11's profiler.

from cpython.object cimport PyObject
from libc.stdint cimport uint64_t

import sys

from writer cimport PT_HAS_MONITORING, pt_new_callback, pt_profiler_is_set, pt_set_profiler

cdef enum:
    NO_TOOL = -1

cdef int tool = NO_TOOL
cdef list callbacks = []           # (event, callback), kept for arming again
cdef uint64_t disarmed = 0         # times that somebody took our hook away
TOOL_NAME = "pytest-timeline"


cdef object wanted_events():
    if suspended:
        return 0
    events = sys.monitoring.events
    wanted = events.PY_START | events.PY_RESUME | events.PY_THROW
    wanted |= events.PY_RETURN | events.PY_YIELD | events.PY_UNWIND
    return wanted if call_mode == CALLS_NONE else wanted | events.CALL


cdef int arm() except -1:
    """Switch the hooks on, in every thread, or off while the recording is suspended.

    RuntimeError when somebody else holds every tool id.
    """
    global tool, disable, return_callback
    if not PT_HAS_MONITORING:
        disarm_profiler() if suspended else arm_profiler()
        return 0
    monitoring = sys.monitoring
    events = monitoring.events
    if not callbacks:
        disable = <PyObject *> monitoring.DISABLE
        return_callback = pt_new_callback(on_return)
        for event, call in (
            (events.PY_START, pt_new_callback(on_start)),
            (events.PY_RESUME, pt_new_callback(on_resume)),
            (events.PY_THROW, pt_new_callback(on_throw)),
            (events.PY_RETURN, return_callback),
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
        return suspended or pt_profiler_is_set()
    if tool == NO_TOOL or sys.monitoring.get_tool(tool) != TOOL_NAME:
        return False
    return sys.monitoring.get_events(tool) & wanted_events() == wanted_events()


cdef void arm_again() noexcept:
    """`arm` in the midst of a recording, which ends where that fails."""
    try:
        arm()
    except BaseException:
        switch_off()


def _profile_thread(frame, what, argument):
    """For threading.setprofile on 3.11: a new thread's first event swaps in the C hook."""
    pt_set_profiler(2 if epoch and not suspended else 0)


cdef int arm_profiler() except -1:
    import threading
    if threading._profile_hook is not _profile_thread:  # not getprofile(): a recording would show its frame
        threading.setprofile(_profile_thread)
    pt_set_profiler(1)
    return 0


cdef int disarm_profiler() except -1:
    import threading
    pt_set_profiler(0)             # first: what is called then is nobody's
    if threading._profile_hook is _profile_thread:
        threading.setprofile(None)
    return 0
