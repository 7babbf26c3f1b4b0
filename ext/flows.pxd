"""Which slices of a track the flows are on."""
from libc.stdint cimport SIZE_MAX, uint64_t

from columns cimport CUT_END, Columns, DIED
from walk cimport FlowEnd, MAX_DEPTH

cdef inline bint is_open(const Columns *c, size_t row, uint64_t tick) noexcept nogil:
    """Whether a slice that began by `tick` is open then: of two that touch it is the later one."""
    return c.end[row] > tick or c.start[row] == tick or c.flags[row] & (CUT_END | DIED)


cdef inline void find_rows(const Columns *c, FlowEnd *ends, size_t count) noexcept nogil:
    """Fill in the innermost slice that is open at each tick, SIZE_MAX for none; `ends` are in order of tick."""
    cdef size_t stack[MAX_DEPTH]
    cdef size_t top = 0
    cdef size_t row = 0
    cdef size_t i
    for i in range(count):
        while row < c.count and c.start[row] <= ends[i].tick:
            if c.depth[row] < MAX_DEPTH:
                while top and c.depth[stack[top - 1]] >= c.depth[row]:
                    top -= 1
                stack[top] = row
                top += 1
            row += 1
        while top and not is_open(c, stack[top - 1], ends[i].tick):
            top -= 1
        ends[i].row = stack[top - 1] if top else SIZE_MAX
