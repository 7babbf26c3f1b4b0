"""Entries and exits of one track become nested slices in columns; short ones fold into their parents.

A slice is folded when its duration is below the track's threshold. A parent lasts at least as long as its
children, so whole subtrees fold, and the outcome depends on the threshold alone, not on when it was raised.
Slices with a mark of KEPT never fold: their true duration is not known. What encloses one bears such a mark too.
"""
from libc.stdint cimport SIZE_MAX, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from columns cimport CUT_END, CUT_START, DIED, HEALED, RESUMED, Columns, copy_columns, free_columns, grown, reserve
from values cimport add_text, add_values, drop_values, find_values, move_values

cdef enum:
    KEPT = CUT_START | CUT_END | DIED

cdef enum:                   # keys are 4 * depth and one of these
    STEP = 0                 # lies around the frame
    FRAME = 1
    C_CALL = 2

cdef struct Open:
    uint64_t since           # tick; the row's start is no earlier than the window's
    size_t row
    uint32_t key             # of a frame FRAME + 4 * its depth, of a C call in it and of a task's step around it alike
    uint32_t id

cdef struct Nest:
    Columns columns          # of the window that is going on
    Open *stack              # what is open, outermost first
    size_t open
    size_t room
    uint64_t last            # no record counts as earlier than this
    uint64_t threshold       # ticks
    size_t budget            # rows, 0 = no limit
    size_t limit             # rows at which to look at the budget
    uint64_t ignored         # exits that matched nothing


cdef inline void start_window(Nest *n, uint64_t min_ticks, size_t budget) noexcept nogil:
    memset(&n.columns, 0, sizeof(Columns))
    n.threshold = min_ticks
    n.budget = budget
    n.limit = budget if budget else SIZE_MAX


cdef inline uint64_t clamped(Nest *n, uint64_t tick) noexcept nogil:
    """Time does not run backwards: between two threads the counter may differ by 20 ns."""
    if tick > n.last:
        n.last = tick
    return n.last


cdef inline int push(Nest *n, uint32_t key, uint32_t id, uint64_t tick, uint8_t flags) except -1 nogil:
    """Open a slice."""
    cdef Columns *c = &n.columns
    cdef size_t row
    if c.count >= n.limit:
        fit(n)
    if c.count == c.capacity:
        reserve(c, c.count + 1)
    if n.open == n.room:
        n.stack = <Open *> grown(n.stack, max(n.room * 2, <size_t> 16) * sizeof(Open))
        n.room = max(n.room * 2, <size_t> 16)
    row = c.count
    c.start[row] = tick
    c.end[row] = tick
    c.name[row] = id
    c.depth[row] = <uint32_t> n.open
    c.raised[row] = 0
    c.folded[row] = 0
    c.folded_ticks[row] = 0
    c.flags[row] = flags
    n.stack[n.open] = Open(tick, row, key, id)
    n.open += 1
    c.count = row + 1
    return 0


cdef inline void pop(Nest *n, uint64_t tick, uint8_t flags, uint32_t raised) noexcept nogil:
    """Close the innermost slice."""
    cdef Columns *c = &n.columns
    cdef size_t row, parent
    cdef uint64_t duration
    n.open -= 1
    row = n.stack[n.open].row
    duration = tick - c.start[row]
    c.end[row] = tick
    c.raised[row] = raised
    c.flags[row] |= flags
    if duration < n.threshold and not c.flags[row] & KEPT:
        # It is the last row: all below it were as short, and are folded.
        c.count = row
        drop_values(&c.values, row)
        if n.open:
            parent = n.stack[n.open - 1].row
            c.folded[parent] += 1 + c.folded[row]
            c.folded_ticks[parent] += duration
        else:
            c.outer_folded += 1 + c.folded[row]
            c.outer_folded_ticks += duration


cdef inline void heal(Nest *n, uint32_t key, uint64_t tick) noexcept nogil:
    """End what should have been left before something of this key is entered."""
    while n.open and n.stack[n.open - 1].key >= key:
        pop(n, tick, HEALED, 0)


cdef inline int enter(Nest *n, uint32_t key, uint32_t id, uint64_t tick, uint8_t flags) except -1 nogil:
    heal(n, key & ~FRAME, tick)  # a step around a frame is the newer frame's too
    return push(n, key, id, tick, flags)


cdef inline void leave(Nest *n, uint32_t key, uint32_t id, uint64_t tick, uint8_t flags,
                       uint32_t raised) noexcept nogil:
    while n.open and n.stack[n.open - 1].key > key:
        pop(n, tick, HEALED, 0)
    if n.open and n.stack[n.open - 1].key == key and n.stack[n.open - 1].id == id:
        pop(n, tick, flags, raised)
    else:
        n.ignored += 1


cdef inline int take_values(Nest *n, uint32_t id, bint result, const char *text, uint32_t size) except -1 nogil:
    """Keep what the innermost open slice was called with, if it has this id; the result, of the innermost with it."""
    cdef size_t i = n.open
    while i:
        i -= 1
        if n.stack[i].id == id:
            return add_text(&n.columns.values, n.stack[i].row, result, text, size)
        if not result:
            break
    return 0


cdef inline int cut(Nest *n, uint64_t tick, uint64_t min_ticks, size_t budget, Columns *finished) except -1 nogil:
    """Move the window's rows to `finished`; what is open goes on in the next window."""
    cdef size_t i, row, open = n.open
    cdef uint64_t since
    cdef Open *slice
    cdef Columns *c = finished
    if n.budget and n.columns.count > n.budget:
        fit(n)
    tick = clamped(n, tick)
    c[0] = n.columns
    start_window(n, min_ticks, budget)
    if open:
        reserve(&n.columns, open)
    for i in range(open):
        slice = &n.stack[i]
        c.end[slice.row] = tick
        c.flags[slice.row] |= CUT_END
        n.open = i
        since = slice.since
        row = slice.row
        push(n, slice.key, slice.id, tick, CUT_START | c.flags[row] & RESUMED)
        slice.since = since
        add_values(&n.columns.values, slice.row, find_values(&c.values, row))
    return 0


cdef inline int copy_nest(const Nest *n, Nest *copy) except -1 nogil:
    """Make `copy` go on by itself from where `n` is; release it also when this fails."""
    copy[0] = n[0]
    copy.stack = NULL
    memset(&copy.columns, 0, sizeof(Columns))
    copy_columns(&n.columns, &copy.columns)
    copy.stack = <Open *> grown(NULL, (n.open + 1) * sizeof(Open))
    copy.room = n.open + 1
    memcpy(copy.stack, n.stack, n.open * sizeof(Open))
    return 0


cdef inline int snapshot(const Nest *n, uint64_t tick, Columns *finished) except -1 nogil:
    """Fill `finished` as a cut would; the window goes on untouched."""
    cdef Nest copy
    try:
        copy_nest(n, &copy)
        cut(&copy, tick, 0, 0, finished)
    finally:
        release(&copy)
    return 0


cdef inline void die(Nest *n, uint64_t tick) noexcept nogil:
    """The process is gone: end what is open."""
    tick = clamped(n, tick)
    while n.open:
        pop(n, tick, DIED, 0)


cdef inline void release(Nest *n) noexcept nogil:
    free_columns(&n.columns)
    free(n.stack)


cdef inline int fit(Nest *n) except -1 nogil:
    """Raise the threshold until half of the budget is free."""
    cdef Columns *c = &n.columns
    cdef uint64_t *durations
    cdef size_t i, room, open = 0, kept = 0, count = 0, half = n.budget // 2
    durations = <uint64_t *> grown(NULL, c.count * sizeof(uint64_t))
    for i in range(c.count):
        if open < n.open and n.stack[open].row == i:
            open += 1
            kept += 1
        elif c.flags[i] & KEPT:
            kept += 1
        else:
            durations[count] = c.end[i] - c.start[i]
            count += 1
    room = max(half - min(kept, half), half // 2)  # so that frames deeper than the budget leave some to others
    if count > room:
        n.threshold = max(n.threshold, nth_longest(durations, count, room) + 1)
    free(durations)
    fold(n)
    n.limit = max(n.budget, 2 * c.count)  # what is open or kept may be too much by itself
    return 0


cdef inline uint64_t nth_longest(uint64_t *values, size_t count, size_t n) noexcept nogil:
    """Return what would be at index `n` if the values were in descending order; reorders them."""
    cdef size_t low = 0, high = count - 1, i, j
    cdef uint64_t pivot, value
    while low < high:
        pivot = values[low + (high - low) // 2]
        i = low
        j = high
        while True:
            while values[i] > pivot:
                i += 1
            while values[j] < pivot:
                j -= 1
            if i >= j:
                break
            value = values[i]
            values[i] = values[j]
            values[j] = value
            i += 1
            j -= 1
        if n <= j:
            high = j
        else:
            low = j + 1
    return values[n]


cdef inline int fold(Nest *n) except -1 nogil:
    """Fold every closed slice below the threshold, in one pass."""
    cdef Columns *c = &n.columns
    cdef size_t *path = NULL      # by depth: the newest row that stays
    cdef size_t paths = 0, open = 0, i, row = 0, values_read = 0, values_kept = 0
    cdef uint64_t duration
    cdef uint64_t *folded = NULL  # of what the folded subtree that row i may be in went into
    cdef uint32_t depth, top = 0  # that subtree's root
    cdef bint is_open
    for i in range(c.count):
        depth = c.depth[i]
        is_open = open < n.open and n.stack[open].row == i
        duration = c.end[i] - c.start[i]
        if folded != NULL and depth > top:
            folded[0] += 1 + c.folded[i]
            move_values(&c.values, &values_read, &values_kept, i, SIZE_MAX)
        elif not is_open and duration < n.threshold and not c.flags[i] & KEPT:
            top = depth
            if depth:
                folded = &c.folded[path[depth - 1]]
                c.folded_ticks[path[depth - 1]] += duration
            else:
                folded = &c.outer_folded
                c.outer_folded_ticks += duration
            folded[0] += 1 + c.folded[i]
            move_values(&c.values, &values_read, &values_kept, i, SIZE_MAX)
        else:
            folded = NULL
            move_values(&c.values, &values_read, &values_kept, i, row)
            if depth >= paths:
                paths = max(paths * 2, <size_t> 64)
                path = <size_t *> grown(path, paths * sizeof(size_t))
            path[depth] = row
            if is_open:
                n.stack[open].row = row
                open += 1
            c.start[row] = c.start[i]
            c.end[row] = c.end[i]
            c.name[row] = c.name[i]
            c.depth[row] = depth
            c.raised[row] = c.raised[i]
            c.folded[row] = c.folded[i]
            c.folded_ticks[row] = c.folded_ticks[i]
            c.flags[row] = c.flags[i]
            row += 1
    free(path)
    c.count = row
    c.values.count = values_kept
    return 0
