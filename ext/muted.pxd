"""What is known of functions that were muted: where that began, and the time in which they may have run since."""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free

from columns cimport Columns, grown

cdef enum:
    CALLERS = 32

cdef struct Muted:
    uint64_t tick            # where that began
    uint32_t thread          # serial of the one in which it did
    uint32_t id
    uint32_t share           # of that thread's time, while it was recorded, in millionths
    uint32_t count           # of these:
    uint32_t callers[CALLERS]  # names of what was open there, the innermost first, after the function's own


cdef inline void add_caller(Muted *muted, uint32_t name) noexcept nogil:
    if muted.count < CALLERS and not calls(muted, name):
        muted.callers[muted.count] = name
        muted.count += 1


cdef inline bint calls(const Muted *muted, uint32_t name) noexcept nogil:
    cdef uint32_t i
    for i in range(muted.count):
        if muted.callers[i] == name:
            return True
    return False


cdef inline uint64_t time_of_callers(const Columns *c, const Muted *muted) except? 0 nogil:
    """Return the own time, in ticks from the mute on, of the slices in which the function may have run unseen."""
    cdef uint8_t *called = NULL    # by depth: whether the slice that is open there is one of them
    cdef size_t room = 0, row
    cdef uint64_t since, folded, taken = 0
    cdef uint32_t depth
    for row in range(c.count):
        depth = c.depth[row]
        if depth >= room:
            room = 2 * depth + 64
            called = <uint8_t *> grown(called, room)
        called[depth] = calls(muted, c.name[row])
        if c.end[row] <= muted.tick:
            continue
        since = c.end[row] - max(c.start[row], muted.tick)
        if called[depth]:
            folded = c.folded_ticks[row] * since // max(c.end[row] - c.start[row], <uint64_t> 1)
            taken += since - min(folded, since)
        if depth and called[depth - 1]:
            taken -= since
    free(called)
    return taken
