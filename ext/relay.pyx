# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Spools that travel: `Source` takes what was written out of a spool on one host, `Landed` puts it into one on another.

Both work on whole records and trust nothing that they read: a damaged file or message gives wrong slices, not wrong
memory accesses.
"""
import mmap
import os

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from spool cimport (
    PT_CHILD, PT_CHUNK_BYTES, PT_CHUNK_RECORDS, PT_CHUNKS_OFFSET, PT_DEPTH, PT_FREE, PT_FULL, PT_KIND, PT_MAGIC,
    PT_MAX_CHUNKS, PT_OWNED, PT_PAYLOAD, PT_TABLE_OFFSET, PT_VERSION, pt_child, pt_chunk, pt_header, pt_load32,
    pt_load64, pt_record, pt_store32, pt_store64,
)

cdef enum:
    MAX_CHUNKS = 2048        # PT_MAX_CHUNKS, for an array
    MAX_LINES = 64
    GROW_CHUNKS = 32         # 1 MiB

cdef double FARTHEST = 4e18  # ticks; what is farther away is damage


cdef struct Line:
    uint64_t start           # tick there
    uint64_t here            # tick of this host
    double slope


cdef uint32_t length_of(uint64_t word) noexcept nogil:
    """How many records this one is, with its payload."""
    return 1 + (PT_DEPTH(word) + 15) // 16 if PT_KIND(word) >= PT_PAYLOAD else 1


cdef uint32_t committed(pt_record *records, uint32_t position, uint32_t limit) noexcept nogil:
    """Return where the records from `position` on end that are committed by now."""
    cdef uint32_t length
    while position < limit and pt_load64(&records[position].tick):
        length = length_of(records[position].word)
        if length > limit - position:
            return limit  # damaged: no telling where the next record is
        position += length
    return position


cdef class Mapping:
    """A spool's file, all of it mapped."""

    cdef readonly str path
    cdef object map
    cdef Py_buffer view
    cdef char *base
    cdef uint32_t chunks     # mapped

    def __dealloc__(self):
        if self.base != NULL:
            PyBuffer_Release(&self.view)

    def close(self):
        if self.base != NULL:
            self.base = NULL
            PyBuffer_Release(&self.view)
            self.map.close()

    cdef remap(self):
        with open(self.path, "r+b") as file:
            size = os.fstat(file.fileno()).st_size
            if size < PT_CHUNKS_OFFSET:
                raise BlockingIOError(f"{self.path} is not ready")
            chunks = min((size - PT_CHUNKS_OFFSET) // PT_CHUNK_BYTES, PT_MAX_CHUNKS)
            map = mmap.mmap(file.fileno(), PT_CHUNKS_OFFSET + chunks * PT_CHUNK_BYTES)
        self.close()
        self.map = map
        self.chunks = chunks
        PyObject_GetBuffer(map, &self.view, PyBUF_WRITABLE)
        self.base = <char *> self.view.buf

    cdef pt_header *head(self) noexcept nogil:
        return <pt_header *> self.base

    cdef pt_chunk *entry(self, uint32_t chunk) noexcept nogil:
        return <pt_chunk *> (self.base + PT_TABLE_OFFSET) + chunk

    cdef pt_record *records(self, uint32_t chunk) noexcept nogil:
        return <pt_record *> (self.base + PT_CHUNKS_OFFSET + <size_t> chunk * PT_CHUNK_BYTES)

    @property
    def header(self):
        """A copy of the header's bytes."""
        return self.base[:sizeof(pt_header)]

    @property
    def pid(self):
        return self.head().pid


cdef class Source(Mapping):
    """A spool of this host, from which records are taken as they are written."""

    cdef uint32_t position[MAX_CHUNKS]

    def __init__(self, str path):
        """Map the file `path`.

        Raises BlockingIOError when its writer has not made it ready yet, ValueError when it is no spool of this
        version, OSError.
        """
        self.path = path
        self.remap()
        cdef uint64_t magic = pt_load64(&self.head().magic)  # once: its writer may write it now
        if magic == 0:
            raise BlockingIOError(f"{path} is not ready")
        if magic != PT_MAGIC:
            raise ValueError(f"{path} is not a spool")
        if self.head().version != PT_VERSION:
            raise ValueError(f"{path} has version {self.head().version}, not {PT_VERSION}")

    @property
    def file_chunks(self):
        return pt_load32(&self.head().chunks)

    def beat(self, uint64_t monotonic_ns, uint32_t room):
        """Tell the writer that its reader is alive, and how many chunks its file may have."""
        pt_store32(&self.head().room, room)
        pt_store64(&self.head().heartbeat_ns, monotonic_ns)

    def stop(self):
        """Tell the writer to record no more."""
        pt_store32(&self.head().stop, 1)

    def take(self, sink):
        """Call `sink(thread, seq, native id, position, used, records)` for every chunk with news, and free the full.

        `used` is -1 as long as the chunk may get more. Whatever was committed before the call has then been taken.
        """
        cdef uint32_t chunk, state, limit, end, chunks, start
        cdef pt_chunk *entry
        cdef pt_record *records
        if min(pt_load32(&self.head().chunks), PT_MAX_CHUNKS) > self.chunks:
            try:
                self.remap()
            except OSError:  # the file is gone, or we are out of descriptors: read on in what is mapped
                pass
        chunks = min(pt_load32(&self.head().chunks), self.chunks)
        for chunk in range(chunks):
            entry = self.entry(chunk)
            records = self.records(chunk)
            state = pt_load32(&entry.state)
            if state != PT_OWNED and state != PT_FULL:
                continue
            limit = min(entry.used, PT_CHUNK_RECORDS) if state == PT_FULL else PT_CHUNK_RECORDS
            start = min(self.position[chunk], limit)
            end = committed(records, start, limit)
            if end == start and state == PT_OWNED:
                continue
            data = PyBytes_FromStringAndSize(<char *> &records[start], <Py_ssize_t> (end - start) * sizeof(pt_record))
            thread, seq, native_id = entry.thread, entry.seq, entry.native_id
            self.position[chunk] = end
            if state == PT_FULL:
                self.position[chunk] = 0
                memset(records, 0, PT_CHUNK_BYTES)
                pt_store32(&entry.state, PT_FREE)
            sink(thread, seq, native_id, start, limit if state == PT_FULL else -1, data)


cdef class Landed(Mapping):
    """A spool of this host with the records of a process of another, all ticks translated.

    It plays the writer's part, in the process that reads it too, so chunks change hands between two calls only.
    """

    cdef dict open           # (thread, seq): chunk
    cdef uint32_t next       # where the search for a free chunk goes on
    cdef uint64_t lost       # records that found no room here
    cdef readonly uint64_t newest  # tick there of the newest record

    def __init__(self, str path, bytes header, uint32_t clock, list lines):
        """Make the file `path`, with a header like the one of the spool there. `clock` is this host's.

        Raises ValueError when that is no header of this version, OSError.
        """
        cdef pt_header head
        if len(header) != sizeof(pt_header):
            raise ValueError(f"a header of {len(header)} bytes")
        memcpy(&head, PyBytes_AS_STRING(header), sizeof(pt_header))
        if head.magic != PT_MAGIC or head.version != PT_VERSION:
            raise ValueError(f"no header of version {PT_VERSION}")
        self.path = path
        self.open = {}
        self.next = 0
        self.lost = 0
        self.newest = 0
        with open(path, "xb") as file:
            reserve(file, 0, PT_CHUNKS_OFFSET + GROW_CHUNKS * PT_CHUNK_BYTES)
        self.remap()
        head.magic = 0
        head.clock = clock
        head.start_tick = translated(head.start_tick, lines)
        head.start_monotonic_ns = 0  # nobody may measure this host's clock by it
        head.chunks = self.chunks
        head.heartbeat_ns = 0
        head.stop = 0
        head.parent[sizeof(head.parent) - 1] = 0
        memcpy(self.base, &head, sizeof(pt_header))
        self.update(header, 0)
        pt_store64(&self.head().magic, PT_MAGIC)

    def update(self, bytes header, uint64_t clock_error_ns):
        """Take over the counts of the spool there. Raises ValueError when `header` is none."""
        cdef pt_header head
        if len(header) != sizeof(pt_header):
            raise ValueError(f"a header of {len(header)} bytes")
        memcpy(&head, PyBytes_AS_STRING(header), sizeof(pt_header))
        pt_store64(&self.head().dropped, head.dropped + self.lost)
        pt_store64(&self.head().stalled_ns, head.stalled_ns)
        self.head().error = head.error
        self.head().clock_error_ns = clock_error_ns

    def land(self, uint32_t thread, uint32_t seq, uint64_t native_id, uint32_t position, int used, bytes records,
             list lines):
        """Put in what `Source.take` gave; `lines` are as for `translate`.

        Raises ValueError when it does not fit into a chunk. What finds no room is counted as dropped.
        """
        cdef Py_ssize_t size = len(records)
        cdef uint32_t count = <uint32_t> (size // sizeof(pt_record))
        cdef uint32_t chunk
        cdef pt_chunk *entry
        cdef pt_record *target
        cdef pt_record *first
        if (size % sizeof(pt_record) or size > <Py_ssize_t> PT_CHUNK_BYTES or position > PT_CHUNK_RECORDS - count
                or used > <int> PT_CHUNK_RECORDS or used < -1):
            raise ValueError(f"{size} bytes at {position} do not fit into a chunk")
        key = (thread, seq)
        known = self.open.get(key)
        if known is None:
            if not count:
                return
            try:
                chunk = self.room()
            except OSError:
                self.lost += count
                self.head().dropped += count
                return
            entry = self.entry(chunk)
            entry.thread = thread
            entry.seq = seq
            entry.used = 0
            entry.native_id = native_id
            pt_store32(&entry.state, PT_OWNED)
            self.open[key] = chunk
        else:
            chunk = known
            entry = self.entry(chunk)
        if count:
            copied, newest = translate(records, lines)
            self.newest = max(self.newest, newest)
            first = <pt_record *> PyBytes_AS_STRING(copied)
            target = self.records(chunk) + position
            target[0].word = first.word
            memcpy(target + 1, first + 1, <size_t> (count - 1) * sizeof(pt_record))
            pt_store64(&target[0].tick, first.tick)  # commits them all
        if used >= 0:
            del self.open[key]
            entry.used = <uint32_t> used
            pt_store32(&entry.state, PT_FULL)

    cdef uint32_t room(self) except? 0:
        """Return a free chunk. Raises OSError when there is none, and no room for more."""
        cdef uint32_t i, chunk
        for i in range(self.chunks):
            chunk = (self.next + i) % self.chunks
            if pt_load32(&self.entry(chunk).state) == PT_FREE:
                self.next = chunk + 1
                return chunk
        if self.chunks + GROW_CHUNKS > PT_MAX_CHUNKS:
            raise OSError(f"{self.path} is full")
        chunk = self.chunks
        with open(self.path, "r+b") as file:
            reserve(file, PT_CHUNKS_OFFSET + self.chunks * PT_CHUNK_BYTES, GROW_CHUNKS * PT_CHUNK_BYTES)
        self.remap()
        pt_store32(&self.head().chunks, self.chunks)
        self.next = chunk + 1
        return chunk


def reserve(file, uint64_t offset, uint64_t size):
    """Make the file so much longer; a full disk is an OSError now, and not a SIGBUS later."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), offset, size)
    else:
        file.seek(offset)
        file.write(bytes(size))


def translate(bytes records, list lines):
    """Return the records with their ticks on this host's clock, and the largest tick that they had.

    `lines` is what translates a tick, in pieces: (first tick of the piece, this host's tick there, ticks here for
    one there), ascending; the first piece holds for what is before it too.
    """
    cdef bytes copied = PyBytes_FromStringAndSize(PyBytes_AS_STRING(records), len(records))  # not shared with anybody
    cdef pt_record *record = <pt_record *> PyBytes_AS_STRING(copied)
    cdef uint32_t count = <uint32_t> (len(records) // sizeof(pt_record))
    cdef uint32_t position = 0, length
    cdef uint64_t newest = 0
    cdef Line pieces[MAX_LINES]
    cdef pt_child *child
    cdef int number = set_lines(pieces, lines)
    while position < count and record[position].tick:
        length = length_of(record[position].word)
        newest = max(newest, record[position].tick)
        record[position].tick = here(record[position].tick, pieces, number)
        if length > count - position:
            break
        if PT_KIND(record[position].word) == PT_CHILD and PT_DEPTH(record[position].word) >= sizeof(pt_child):
            child = <pt_child *> &record[position + 1]
            child.tick = here(child.tick, pieces, number)
        position += length
    return copied, newest


def translated(uint64_t tick, list lines):
    """Return the tick on this host's clock; see `translate`."""
    cdef Line pieces[MAX_LINES]
    return here(tick, pieces, set_lines(pieces, lines))


cdef int set_lines(Line *pieces, list lines) except 0:
    """Take over the newest of the lines; return how many."""
    cdef int i, number = <int> min(len(lines), MAX_LINES)
    if not lines:
        raise ValueError("no lines")
    for i in range(number):
        pieces[i].start, pieces[i].here, pieces[i].slope = lines[len(lines) - number + i]
    return number


cdef uint64_t here(uint64_t tick, Line *pieces, int number) noexcept nogil:
    cdef int i = number - 1
    cdef double ticks
    cdef int64_t from_start
    while i > 0 and tick < pieces[i].start:
        i -= 1
    from_start = <int64_t> (tick - pieces[i].start)
    ticks = from_start * pieces[i].slope
    if not -FARTHEST < ticks < FARTHEST:
        return 1
    if ticks < 0 and <uint64_t> -ticks >= pieces[i].here:
        return 1  # 0 would be no record
    return max(pieces[i].here + <uint64_t> <int64_t> ticks, <uint64_t> 1)
