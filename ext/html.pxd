# cython: cdivision=True
"""One track's slices as columns of varints, for the report's pages: docs/report-format.md has the layout.

A begin counts from the sibling before, an end from the last child: so a value is the time between two neighbouring
records of the thread, mostly one or two bytes.
"""
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from buffer cimport Buffer, reserve
from columns cimport THROWN, Columns, index_of
from values cimport find_values
from walk cimport MAX_DEPTH, Folded, Walk, Window, enter, folded_into, is_over, leave, nanoseconds

cdef enum:
    GAP = 0
    TAIL = 1
    UP = 2
    NAME = 3
    MARK = 4
    FOLD = 5
    COLUMNS = 6

cdef enum:
    LONGEST = 10             # bytes of a varint

cdef struct Valued:          # a slice that tells its arguments
    size_t row
    uint64_t start           # ns
    size_t depth

cdef struct Page:
    Valued *valued
    size_t valued_count
    Buffer columns[COLUMNS]
    uint32_t *places         # in the page's names, by index_of(id)
    size_t slices
    size_t levels
    uint64_t first           # ns
    uint64_t last
    uint64_t busy            # of the outermost slices

cdef struct Use:             # of one name in one track
    uint64_t count
    uint64_t ticks           # exclusive


cdef inline uint8_t *put_varint(uint8_t *to, uint64_t value) noexcept nogil:
    while value >= 0x80:
        to[0] = <uint8_t> value | 0x80
        value >>= 7
        to += 1
    to[0] = <uint8_t> value
    return to + 1


cdef inline int append_varint(Buffer *out, uint64_t value) except -1 nogil:
    if out.capacity - out.size < LONGEST:
        reserve(out, LONGEST)
    out.size = put_varint(out.bytes + out.size, value) - out.bytes
    return 0


cdef inline int encode(Page *page, const Window *window, Walk *walk) except -1 nogil:
    """Fill in the page's columns."""
    cdef const Columns *c = window.columns
    cdef uint64_t *tails = <uint64_t *> malloc((c.count + 1) * sizeof(uint64_t))  # by slice drawn
    cdef size_t opened[MAX_DEPTH]      # the slices that are open
    cdef uint64_t last[MAX_DEPTH + 1]  # by depth: where the newest slice ended, or its parent began
    cdef size_t row, closed, marked = 0, folds = 0
    cdef Folded folded
    memset(last, 0, sizeof(last))
    page.valued = <Valued *> malloc((c.values.count + 1) * sizeof(Valued))
    try:
        if tails == NULL or page.valued == NULL:
            with gil:
                raise MemoryError
        for row in range(c.count):
            if c.depth[row] >= MAX_DEPTH:
                continue
            closed = 0
            while is_over(walk, window, c.depth[row]):
                close(page, walk, tails, opened, last)
                closed += 1
            enter(walk, window, row)
            if page.slices == 0:
                page.first = walk.now
            if find_values(&c.values, row) != NULL:
                page.valued[page.valued_count] = Valued(row, walk.now, walk.top - 1)
                page.valued_count += 1
            append_varint(&page.columns[GAP], walk.now - last[walk.top - 1])
            append_varint(&page.columns[UP], closed)
            append_varint(&page.columns[NAME], page.places[index_of(c.name[row])])
            if c.flags[row]:
                append_varint(&page.columns[MARK], page.slices - marked)
                append_varint(&page.columns[MARK], c.flags[row])
                if c.flags[row] & THROWN:
                    append_varint(&page.columns[MARK], page.places[index_of(c.raised[row])] + 1 if c.raised[row] else 0)
                marked = page.slices + 1
            if c.folded[row] or c.depth[row] == MAX_DEPTH - 1:
                folded = folded_into(window, row)
                if folded.count:
                    append_varint(&page.columns[FOLD], page.slices - folds)
                    append_varint(&page.columns[FOLD], folded.count)
                    append_varint(&page.columns[FOLD], nanoseconds(window, window.origin + folded.ticks))
                    folds = page.slices + 1
            last[walk.top] = walk.now
            opened[walk.top - 1] = page.slices
            page.slices += 1
            page.levels = max(page.levels, walk.top)
        while walk.top:
            close(page, walk, tails, opened, last)
        for row in range(page.slices):
            append_varint(&page.columns[TAIL], tails[row])
        page.last = last[0]
    finally:
        free(tails)
    return 0


cdef inline void close(Page *page, Walk *walk, uint64_t *tails, const size_t *opened, uint64_t *last) noexcept nogil:
    leave(walk)
    tails[opened[walk.top]] = walk.now - last[walk.top + 1]
    last[walk.top] = walk.now
    if walk.top == 0:
        page.busy += walk.now - walk.stack[0].start


cdef inline void add_uses(const Columns *c, Use *uses) noexcept nogil:
    """Add up how often each id is there, as a name or as an exception, and how long it ran itself, by index_of(id).

    What was folded into a slice, and what is too deep to be drawn, counts as the slice's own time.
    """
    cdef size_t row
    cdef size_t parents[MAX_DEPTH]
    cdef uint64_t ticks
    for row in range(c.count):
        if c.depth[row] >= MAX_DEPTH:
            continue
        ticks = c.end[row] - c.start[row]
        parents[c.depth[row]] = row
        uses[index_of(c.name[row])].count += 1
        uses[index_of(c.name[row])].ticks += ticks
        if c.depth[row]:
            uses[index_of(c.name[parents[c.depth[row] - 1]])].ticks -= ticks
        if c.flags[row] & THROWN and c.raised[row]:
            uses[index_of(c.raised[row])].count += 1


cdef inline void free_page(Page *page) noexcept nogil:
    cdef size_t column
    free(page.places)
    free(page.valued)
    for column in range(COLUMNS):
        free(page.columns[column].bytes)
