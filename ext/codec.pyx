# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Spool bytes to columns to encoded bytes, without the GIL: reading and nesting, and one encoder per format."""
import mmap
import os
from operator import itemgetter

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.object cimport PyObject
from libc.stdint cimport SIZE_MAX, UINT32_MAX, UINT64_MAX, int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

cimport chrome
cimport html
cimport perfetto
from awaits cimport end_all, next_window, prepare
from buffer cimport Buffer
from columns cimport (
    CODE, CUT_END, CUT_START, STRING, THROWN, WAIT, Columns, Name, NameTable, define_name, find_name, free_columns,
    free_names, grown, index_of, reserve,
)
from flows cimport find_rows
from muted cimport Muted, add_caller, time_of_callers
from nest cimport Nest, cut, die, snapshot
from reader cimport (
    MARKED, News, Pause, Reader, Thread, advance, cut_lane, forget_idle, forget_news, free_reader, give_memory, scan,
    snapshot_lane, start_reader, stop, thread_of,
)
from search cimport Found, begun, select
from tasks cimport Arrow, Block, Folded as FoldedTasks, Loops, Note, Task
from spool cimport (
    PT_CHILD, PT_CHUNK_BYTES, PT_CHUNKS_OFFSET, PT_GREENLET, PT_MAGIC, PT_MAX_CHUNKS, PT_VERSION, pt_header, pt_load32,
    pt_load64, pt_monotonic_ns, pt_now, pt_store32, pt_store64,
)
from values cimport Pair, Values, find_values, next_pair
from walk cimport Before, FlowEnd, Folded, Walk, Window, folded_into

flow_row, flow_tick = itemgetter(0), itemgetter(1)

include "protobuf.pxi"
include "slices.pxi"
include "spools.pxi"


def now(uint32_t clock):
    """Return the tick of `clock`, a pt_clock."""
    return pt_now(clock)


def monotonic_ns():
    """Return the time of the clock by which spools tell it."""
    return pt_monotonic_ns()


def anchor(uint32_t clock):
    """Return one moment on both clocks: (tick, monotonic ns)."""
    cdef uint64_t before, ns, after, tick = 0, at = 0, best = UINT64_MAX
    for _ in range(32):
        before = pt_now(clock)
        ns = pt_monotonic_ns()
        after = pt_now(clock)
        if after - before < best:
            best = after - before
            tick = before + best // 2
            at = ns
    return tick, at


cdef class Source:
    """What an encoder reads: a window of a track, its names, and what it went on from."""

    cdef Window window
    cdef Walk walk
    cdef Buffer out
    cdef Names names         # kept alive
    cdef Before *before
    cdef FlowEnd *flows

    def __cinit__(self, Slices slices not None, Names names not None, uint64_t origin, double ns_per_tick, list before,
                  uint64_t now, list flows, write):
        cdef size_t i
        self.names = names
        self.before = <Before *> grown(NULL, (len(before or ()) + 1) * sizeof(Before))
        self.window.columns = &slices.columns
        self.window.names = &names.table
        self.window.unknown.text = "?"
        self.window.unknown.length = 1
        self.window.origin = origin
        self.window.ns_per_tick = ns_per_tick
        self.window.before = self.before
        self.walk.now = now
        self.out.write = <PyObject *> write  # whoever made this holds it
        if before is not None:
            self.window.joined = True
            self.window.continued = len(before)
            for i in range(self.window.continued):
                _, self.before[i].start, self.before[i].count, self.before[i].ticks = before[i]
        self.flows = <FlowEnd *> grown(NULL, (len(flows or ()) + 1) * sizeof(FlowEnd))
        self.window.flows = self.flows
        i = 0
        for row, id, enters, _ in flows or ():
            if row >= self.window.continued:  # else it was begun in an earlier window, where nobody knew of this
                self.flows[i].row, self.flows[i].id, self.flows[i].enters = row, id, enters
                i += 1
        self.flows[i].row = SIZE_MAX

    def __dealloc__(self):
        free(self.before)
        free(self.flows)
        free(self.out.bytes)

    cdef tuple result(self):
        """Return (how far time got in ns, what goes on in the next window)."""
        cdef list after = []
        cdef size_t i, row
        cdef Folded folded
        for i in range(self.walk.top):
            row = self.walk.stack[i].row
            folded = folded_into(&self.window, row)
            after.append((self.window.columns.name[row], self.walk.stack[i].start, folded.count, folded.ticks))
        return self.walk.now, after


def perfetto_slices(Slices slices, Names names, uint64_t origin, double ns_per_tick, uint64_t track, uint32_t sequence,
                    write, list before=None, uint64_t now=0, list flows=None):
    """Write the slices as packets of one sequence; see the stub."""
    cdef Source source = Source(slices, names, origin, ns_per_tick, before, now, flows, write)
    with nogil:
        perfetto.encode(&source.out, &source.window, &source.walk, track, sequence)
    return source.result()


def chrome_slices(Slices slices, Names names, uint64_t origin, double ns_per_tick, bytes lane not None, write,
                  list before=None, uint64_t now=0, list flows=None):
    """Write the slices as JSON objects; see the stub."""
    cdef Source source = Source(slices, names, origin, ns_per_tick, before, now, flows, write)
    cdef const char *text = lane
    cdef size_t length = len(lane)
    with nogil:
        chrome.encode(&source.out, &source.window, &source.walk, text, length)
    return source.result()


def html_slices(Slices slices not None, Names names, uint64_t origin, double ns_per_tick, dict places not None):
    """Return the slices as columns of varints; see the stub."""
    cdef Source source = Source(slices, names, origin, ns_per_tick, None, 0, None, None)
    cdef html.Page page
    cdef size_t column, i
    memset(&page, 0, sizeof(page))
    page.places = <uint32_t *> calloc(ids(&slices.columns), sizeof(uint32_t))
    if page.places == NULL:
        raise MemoryError
    try:
        for id in uses(slices):
            page.places[index_of(id)] = places[id]
        with nogil:
            html.encode(&page, &source.window, &source.walk)
        columns = [page.columns[column].bytes[:page.columns[column].size] for column in range(html.COLUMNS)]
        valued = [(page.valued[i].start, page.valued[i].depth, *values_of(&slices.columns, page.valued[i].row))
                  for i in range(page.valued_count)]
    finally:
        html.free_page(&page)
    return columns, page.slices, page.levels, page.first, page.last, page.busy, valued


def uses(Slices slices not None):
    """Return {id: (count, exclusive ticks)} of the names that are used; see the stub."""
    cdef Columns *c = &slices.columns
    cdef html.Use *found
    cdef size_t row
    cdef dict told = {}
    if slices.uses is None:
        found = <html.Use *> calloc(ids(c), sizeof(html.Use))  # a run has many more names than a small track
        if found == NULL:
            raise MemoryError
        try:
            with nogil:
                html.add_uses(c, found)
            for row in range(c.count):
                tell_use(found, c.name[row], told)
                tell_use(found, c.raised[row], told)
        finally:
            free(found)
        slices.uses = told
    return slices.uses


cdef int tell_use(html.Use *found, uint32_t id, dict told) except -1:
    cdef html.Use *use = &found[index_of(id)]
    if use.count:
        told[id] = use.count, use.ticks
        use.count = 0
    return 0


cdef size_t ids(const Columns *c) noexcept:
    """Return the length of an array that has a place for each name, by index_of(id)."""
    cdef size_t row
    cdef size_t last = 0
    for row in range(c.count):
        last = max(last, max(index_of(c.name[row]), index_of(c.raised[row])))
    return last + 1


def named(Slices slices not None, ids):
    """Return [(id, start, end, depth, place in this list of the one around it or -1)] of the named; see the stub."""
    cdef Columns *c = &slices.columns
    cdef size_t row
    cdef int64_t innermost = -1    # depth of the one that is open
    cdef list found = []
    cdef list around = []          # (depth, place) of those that are open around it, outermost first
    cdef frozenset wanted = frozenset(ids)
    place = -1
    for row in range(c.count):
        while innermost >= <int64_t> c.depth[row]:
            innermost, place = around.pop()
        if c.name[row] in wanted:
            around.append((innermost, place))
            found.append((c.name[row], c.start[row], c.end[row], c.depth[row], place))
            innermost, place = c.depth[row], len(found) - 1
    return found


def time_of(Slices slices not None, list names not None, uint64_t since):
    """Return the own time, in ticks from the tick `since` on, of the slices of these names."""
    cdef Muted muted
    cdef uint64_t ticks
    muted.tick = since
    muted.count = 0
    for name in names:
        add_caller(&muted, name)
    with nogil:
        ticks = time_of_callers(&slices.columns, &muted)
    return ticks


def continued(Slices slices not None, list before not None):
    """Return how many of the slices that were open after the window before, outermost first, go on in this one."""
    cdef Columns *c = &slices.columns
    cdef size_t row = 0
    while (row < c.count and row < <size_t> len(before) and c.flags[row] & CUT_START and c.depth[row] == row
           and before[row][0] == c.name[row]):
        row += 1
    return row


def flow_rows(Slices slices not None, list flows not None):
    """Return [(row, id, enters, tick at which the slice starts)], in order of row; see the stub."""
    cdef list ordered = sorted(flows, key=flow_tick)
    cdef Columns *c = &slices.columns
    cdef size_t count = len(ordered)
    cdef FlowEnd *ends = <FlowEnd *> grown(NULL, (count + 1) * sizeof(FlowEnd))
    cdef size_t i
    cdef list found = []
    try:
        for i in range(count):
            ends[i].id, ends[i].tick, ends[i].enters = ordered[i]
        with nogil:
            find_rows(c, ends, count)
        for i in range(count):
            if ends[i].row != SIZE_MAX:
                found.append((ends[i].row, ends[i].id, ends[i].enters, c.start[ends[i].row]))
    finally:
        free(ends)
    found.sort(key=flow_row)
    return found
