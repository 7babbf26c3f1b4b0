# cython: cdivision=True
"""The slices of one track in the order in which they begin and end, in nanoseconds: what every encoder walks.

Both formats come from this one walk, so they agree to the nanosecond. A child lies within its parent and siblings do
not overlap. Every slice lasts at least 1 ns, and what it touches gives way by as much: trace_processor sorts what
JSON has at one moment (ends, then slices from the longest to the shortest), and that order has no place for a slice
of 0 ns. Slices too deep for a viewer are folded into the deepest one drawn.
"""
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from columns cimport CODE, CUT_END, CUT_START, WAIT, Columns, Name, NameTable, find_name
from values cimport find_values

cdef enum:
    MAX_DEPTH = 512  # trace_processor takes no deeper slice: it drops it, or puts it at the top

cdef struct Before:          # a slice that went on from the window before
    uint64_t start           # ns
    uint64_t count           # folded into it so far
    uint64_t ticks

cdef struct FlowEnd:         # an array of them ends with the row SIZE_MAX
    size_t row               # the slice that it is on
    uint64_t id
    uint64_t tick
    bint enters

cdef struct Window:
    const Columns *columns
    const NameTable *names
    Name unknown             # what an undefined id stands for: "?"
    uint64_t origin          # the clock, as timeline.model.Clock
    double ns_per_tick
    bint joined              # one of many windows: what is cut at its end goes on in the next
    size_t continued         # so many first rows went on from the window before
    const Before *before     # ... as they were at its end
    const FlowEnd *flows     # in order of row; a row with flows begins a nanosecond before all that is in it

cdef struct Folded:
    uint64_t count
    uint64_t ticks

cdef struct Open:
    size_t row
    uint64_t start           # ns
    uint64_t end

cdef struct Walk:
    uint64_t now             # ns, never goes back
    size_t top
    Open stack[MAX_DEPTH]


cdef inline const Name *find(const Window *window, uint32_t id) noexcept nogil:
    """Return what `id` stands for, `window.unknown` when nobody said."""
    cdef const Name *name = find_name(window.names, id)
    return name if name != NULL else &window.unknown


cdef inline bint has_place(const Name *name) noexcept nogil:
    """Whether a name comes with a file and a line."""
    return name.kind == CODE or (name.kind == WAIT and name.file != 0)


cdef inline uint64_t nanoseconds(const Window *window, uint64_t tick) noexcept nogil:
    """Return what Clock.ns returns, to the last digit."""
    if tick <= window.origin:
        return 0
    return <uint64_t> <int64_t> (<double> <int64_t> (tick - window.origin) * window.ns_per_tick)


cdef inline bint is_over(const Walk *walk, const Window *window, uint32_t depth) noexcept nogil:
    """Whether the innermost open slice ends before one at `depth` begins."""
    return walk.top > 0 and window.columns.depth[walk.stack[walk.top - 1].row] >= depth


cdef inline void enter(Walk *walk, const Window *window, size_t row) noexcept nogil:
    """Open the slice of `row` at `walk.now`."""
    cdef Open *opened = &walk.stack[walk.top]
    walk.now = max(walk.now, nanoseconds(window, window.columns.start[row]))
    opened.row = row
    opened.start = walk.now if row >= window.continued else window.before[row].start
    opened.end = nanoseconds(window, window.columns.end[row])
    walk.top += 1


cdef inline size_t leave(Walk *walk) noexcept nogil:
    """Close the innermost open slice at `walk.now`; return its row."""
    cdef const Open *opened
    walk.top -= 1
    opened = &walk.stack[walk.top]
    walk.now = max(walk.now, max(opened.end, opened.start + 1))
    return opened.row


cdef inline size_t left_open(const Walk *walk, const Window *window) noexcept nogil:
    """Return how many of the open slices go on in the next window, after the last row: the outermost ones."""
    cdef size_t count = 0
    while window.joined and count < walk.top and window.columns.flags[walk.stack[count].row] & CUT_END:
        count += 1
    return count


cdef inline bint is_plain(const Window *window, size_t row, uint8_t flags) noexcept nogil:
    """Whether a slice has none of `flags`, no values, and nothing was folded into it."""
    cdef const Columns *c = window.columns
    return not (c.flags[row] & flags or c.folded[row] or row < window.continued or c.depth[row] == MAX_DEPTH - 1
                or find_values(&c.values, row) != NULL)


cdef inline Folded folded_into(const Window *window, size_t row) noexcept nogil:
    """Return what was folded into a slice: by the budget, in earlier windows, and for being too deep."""
    cdef const Columns *c = window.columns
    cdef Folded folded
    folded.count = c.folded[row]
    folded.ticks = c.folded_ticks[row]
    if row < window.continued:
        folded.count += window.before[row].count
        folded.ticks += window.before[row].ticks
    if c.depth[row] == MAX_DEPTH - 1:
        row += 1
        while row < c.count and c.depth[row] >= MAX_DEPTH:
            folded.count += 1 + c.folded[row]
            if c.depth[row] == MAX_DEPTH:
                folded.ticks += c.end[row] - c.start[row]
            row += 1
    return folded


cdef inline const char *cut(const Window *window, size_t row) noexcept nogil:
    """Return at which of its ends a slice is cut off for good ("start", "end", "both"), NULL for none."""
    cdef uint8_t flags = window.columns.flags[row]
    cdef bint start = flags & CUT_START and row >= window.continued
    cdef bint end = flags & CUT_END and not window.joined
    if start and end:
        return "both"
    if start:
        return "start"
    if end:
        return "end"
    return NULL
