# cython: cdivision=True
"""What to find among the slices of one track: those that begin by a moment, and those of certain names."""
from libc.stdint cimport SIZE_MAX, uint8_t, uint64_t
from libc.stdlib cimport free

from columns cimport Columns, grown, index_of
from nest cimport nth_longest

cdef struct Found:
    size_t count
    uint64_t ticks           # of the outermost of them
    size_t *rows             # those kept, in order
    size_t *parents          # the row that each of them lies in, SIZE_MAX = none
    size_t kept


cdef inline size_t begun(const Columns *c, uint64_t tick) noexcept nogil:
    """Return how many rows begin before `tick`: the first ones."""
    cdef size_t low = 0, high = c.count, middle
    while low < high:
        middle = low + (high - low) // 2
        if c.start[middle] < tick:
            low = middle + 1
        else:
            high = middle
    return low


cdef inline int select(const Columns *c, const uint8_t *wanted, size_t ids, uint64_t min_ticks, size_t most,
                       Found *found) except -1 nogil:
    """Find the rows whose name is `wanted`, by index_of(id), and that last `min_ticks` or more; keep the longest."""
    cdef size_t row, kept = 0, room = 0, longer = 0, levels = 0
    cdef size_t *path = NULL       # by depth: the newest row
    cdef size_t outermost = 0      # 1 + the depth of the found row that the next ones may lie in
    cdef uint64_t duration, shortest
    cdef uint64_t *durations = NULL
    for row in range(c.count):
        if c.depth[row] >= levels:
            levels = max(levels * 2, c.depth[row] + <size_t> 64)
            path = <size_t *> grown(path, levels * sizeof(size_t))
        path[c.depth[row]] = row
        if c.depth[row] < outermost:
            outermost = 0
        if index_of(c.name[row]) >= ids or not wanted[index_of(c.name[row])]:
            continue
        duration = c.end[row] - c.start[row]
        if duration < min_ticks:
            continue
        if not outermost:
            outermost = c.depth[row] + 1
            found.ticks += duration
        if found.count == room:
            room = max(room * 2, <size_t> 64)
            found.rows = <size_t *> grown(found.rows, room * sizeof(size_t))
            found.parents = <size_t *> grown(found.parents, room * sizeof(size_t))
        found.rows[found.count] = row
        found.parents[found.count] = path[c.depth[row] - 1] if c.depth[row] else SIZE_MAX
        found.count += 1
    free(path)
    found.kept = min(found.count, most)
    if found.count <= most or not most:
        return 0
    durations = <uint64_t *> grown(NULL, found.count * sizeof(uint64_t))
    for row in range(found.count):
        durations[row] = c.end[found.rows[row]] - c.start[found.rows[row]]
    shortest = nth_longest(durations, found.count, most - 1)
    for row in range(found.count):
        longer += durations[row] > shortest
    free(durations)
    longer = most - longer         # so many of the shortest are kept
    for row in range(found.count):
        duration = c.end[found.rows[row]] - c.start[found.rows[row]]
        if duration > shortest or duration == shortest and longer:
            longer -= duration == shortest
            found.rows[kept] = found.rows[row]
            found.parents[kept] = found.parents[row]
            kept += 1
    return 0
