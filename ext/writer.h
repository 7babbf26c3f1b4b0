/* The writing side of spool.h: pt_put() is the hot path, all else is rare.
 *
 * A pt_writer is one recording into one file. Each thread owns a chunk at a time and a pt_thread_state with its
 * cursor in it. Both live in memory that a forked child finds zeroed: there the cursor meets its end at the first
 * record, and the slow path opens the child's own file. What must outlive a fork (paths, the registry) is apart.
 */
#ifndef PT_WRITER_H
#define PT_WRITER_H

#include <stdio.h>

#include "clock.h"
#include "compat.h"
#include "platform.h"
#include "spool.h"

#define PT_PATH_BYTES 4096
#define PT_FIRST_CHUNKS 8u   /* 256 KiB: what a short-lived child costs */
#define PT_GROW_CHUNKS 32u   /* 1 MiB */
#define PT_EAGER_CHUNKS 512u /* 16 MiB: beyond that the reader gets a moment to free one */
#define PT_STALL_NS 20000000u
#define PT_STALE_NS 2000000000
#define PT_MAX_PAYLOAD (PT_CHUNK_BYTES - 16u)
#define PT_MAX_TEXT 4096u /* of a name */
#define PT_FIRST_DEPTHS 512u
#define PT_FIRST_GREENLET_DEPTHS 32u
#define PT_NO_CHUNK UINT32_MAX

/* A file is mapped from multiples of the page size only: 16 KiB on Apple's processors, up to 64 KiB on other ARM
 * machines, and 64 KiB is Windows's granularity whatever the page is. */
#define PT_LARGEST_PAGE 65536u
_Static_assert(PT_CHUNKS_OFFSET >= PT_TABLE_OFFSET + PT_MAX_CHUNKS * sizeof(pt_chunk), "the table has its place");
_Static_assert(PT_CHUNKS_OFFSET % PT_LARGEST_PAGE == 0, "the first chunks can be mapped");
_Static_assert(PT_FIRST_CHUNKS * PT_CHUNK_BYTES % PT_LARGEST_PAGE == 0, "so can the next");
_Static_assert(PT_GROW_CHUNKS * PT_CHUNK_BYTES % PT_LARGEST_PAGE == 0, "and all further ones");

/* ---- state ---- */

typedef struct {
    uint32_t frame; /* id of the recorded frame that runs at this depth, or 0 */
    uint32_t call;  /* id of the recorded C call that it is in, or 0 */
} pt_open;

typedef struct {
    uint64_t site; /* code id and offset of the call that is open */
    uint64_t tick;
} pt_open_call;

typedef struct {
    uint32_t frame; /* id of the coroutine whose frame runs at this depth, if pt_open has the same one there */
    uint32_t task;  /* of whose step it is the outermost frame, or 0 */
    uint32_t watched; /* what makes that task ready is seen */
} pt_step;

enum pt_naming { PT_UNKNOWN, PT_UNNAMED, PT_NAMED }; /* PT_THREAD not written; without a name; nothing to add */

typedef struct { /* a thread's place in one recording */
    uint32_t writer; /* whose serial, or 0 */
    uint32_t serial; /* pt_chunk.thread */
    uint32_t seq;    /* of its next chunk */
    uint32_t naming;
} pt_seat;

#define PT_SEATS 4 /* recordings nested deeper give the thread a new serial */

typedef struct {
    pt_record *cursor; /* where the next record goes; == end: see pt_refill */
    pt_record *end;
    pt_open *open; /* by depth */
    PyThreadState *python; /* of a thread that keeps it for ever, or NULL: see pt_depth */
    uint32_t depths;
    uint32_t chunk; /* index in the file, valid while `limit` */
    pt_record *limit; /* the end of the chunk; `end` is before it while a slow look is wanted at each record */
    pt_open_call *calls; /* by depth */
    pt_record *paused; /* where the cursor stood, while it walks in a place that nobody reads; else NULL */
    pt_record *paused_limit;
    pt_seat *seat;
    pt_step *steps; /* by depth; none before the first coroutine */
    uint32_t steps_depths;
    uint32_t first_depths;     /* 0 = PT_FIRST_DEPTHS: how large the arrays by depth begin */
    uint32_t traces_greenlets; /* whether the library tells of this thread's switches */
    int64_t name_hash; /* of the name last written */
    uint32_t alive;
    pt_seat seats[PT_SEATS];
} pt_thread_state;

typedef struct {
    char *volatile map[PT_MAX_CHUNKS]; /* by chunk index */
    pt_header *header;
    pt_chunk *table;
    uint32_t chunks;
    uint32_t next; /* where the search for a free chunk goes on */
    uint32_t threads;
    uint32_t alive;
    uint32_t serial; /* of all files that this process and its ancestors opened */
    uint32_t lock; /* taken on slow paths only; in wiped memory, so never held in a forked child */
    uint32_t off;  /* record nothing any more */
} pt_file;

typedef struct pt_writer {
    struct pt_writer *outer; /* the recording that this one suspended */
    pt_file *file;
    uint32_t serial;
    uint32_t clock;
    uint64_t lost;  /* records that could not even be counted in a header */
    int error; /* errno of the last failure */
    char directory[PT_PATH_BYTES];
    char name[64]; /* of the file in it; after a fork, until its own is open, the parent's */
} pt_writer;

static pt_thread_state pt_nobody; /* cursor == end: a thread that has not recorded yet */
static PT_THREAD_LOCAL pt_thread_state *pt_me = &pt_nobody;
static pt_writer *pt_current; /* NULL when not recording */
static uint32_t pt_tick_source;
static uint32_t pt_next_id = 1;
static pt_record pt_sink[PT_CHUNK_RECORDS]; /* where records go that have no room: dropped, and counted */
static pt_record pt_aside[256]; /* where those of a paused thread go: nobody wants them */

/* What a thread that forks leaves to itself in the child, where its state is wiped: the frames that go on there. */
static PT_THREAD_LOCAL const pt_open *pt_inherit; /* by depth, in memory that is not wiped; NULL when not forking */
static PT_THREAD_LOCAL uint32_t pt_inherited_depths;
static PT_THREAD_LOCAL uint32_t pt_inherited_pid; /* the process that forks */

/* Every thread's state, for handing back their chunks; a slot of a thread that has ended is used again. */
static pt_thread_state **pt_states;
static uint32_t pt_states_used, pt_states_size;
static uint32_t pt_states_pid; /* the process whose threads they are */

static PT_COLD void pt_lock(pt_file *file)
{
    while (pt_swap32(&file->lock, 1))
        pt_sleep_us(50);
}

static inline void pt_unlock(pt_file *file) { pt_store32(&file->lock, 0); }

/* ---- the file ---- */

static PT_COLD int pt_grow(pt_writer *writer, uint32_t count)
{
    pt_file *file = writer->file;
    char path[PT_PATH_BYTES + 80];
    void *memory = NULL;
    if (file->chunks + count > PT_MAX_CHUNKS || file->chunks + count > pt_load32(&file->header->room))
        return ENOSPC;
    snprintf(path, sizeof path, "%s/%s", writer->directory, writer->name);
    int error = pt_map_file(path, 0, PT_CHUNKS_OFFSET + (uint64_t)file->chunks * PT_CHUNK_BYTES,
                            (uint64_t)count * PT_CHUNK_BYTES, &memory);
    if (error)
        return error;
    for (uint32_t i = 0; i < count; i++)
        file->map[file->chunks + i] = (char *)memory + (uint64_t)i * PT_CHUNK_BYTES;
    file->next = file->chunks;
    file->chunks += count;
    pt_store32(&file->header->chunks, file->chunks);
    return 0;
}

/* Make this process's own file. `parent` names the file of the process that forked it, "" otherwise. */
static PT_COLD int pt_open_file(pt_writer *writer, const char *parent)
{
    static uint32_t serial;
    char path[PT_PATH_BYTES + 80], name[64];
    void *memory = NULL;
    pt_file *file = writer->file;
    uint64_t tick = pt_now(writer->clock);
    snprintf(name, sizeof name, "%u-%llx.spool", pt_process_id(), (unsigned long long)tick);
    snprintf(path, sizeof path, "%s/%s", writer->directory, name);
    int error = pt_map_file(path, 1, 0, PT_CHUNKS_OFFSET, &memory);
    if (error)
        return error;
    pt_header *header = memory;
    header->version = PT_VERSION;
    header->clock = writer->clock;
    header->pid = pt_process_id();
    header->parent_pid = pt_parent_id();
    header->start_monotonic_ns = pt_monotonic_ns();
    header->start_tick = pt_now(writer->clock);
    header->start_unix_ns = pt_unix_ns();
    header->first_id = pt_next_id;
    header->python = PY_VERSION_HEX;
    header->free_threaded = PT_FREE_THREADED;
    header->heartbeat_ns = header->start_monotonic_ns; /* the reader has yet to find it */
    snprintf(header->parent, sizeof header->parent, "%s", parent);
    header->room = PT_MAX_CHUNKS;
    memcpy(writer->name, name, sizeof name);
    file->header = header;
    file->table = (pt_chunk *)((char *)memory + PT_TABLE_OFFSET);
    file->chunks = file->next = file->threads = file->off = 0;
    error = pt_grow(writer, PT_FIRST_CHUNKS);
    if (error) {
        pt_unmap(memory, PT_CHUNKS_OFFSET);
        remove(path);
        return error;
    }
    pt_store64(&header->magic, PT_MAGIC);
    file->serial = ++serial;
    file->alive = 1;
    return 0;
}

static PT_COLD uint32_t pt_free_chunk(pt_file *file)
{
    for (uint32_t i = 0; i < file->chunks; i++) {
        uint32_t chunk = file->next + i < file->chunks ? file->next + i : file->next + i - file->chunks;
        if (pt_load32(&file->table[chunk].state) == PT_FREE) {
            file->next = chunk + 1 < file->chunks ? chunk + 1 : 0;
            return chunk;
        }
    }
    return PT_NO_CHUNK;
}

static inline int pt_reader_is_fresh(pt_file *file)
{
    /* Signed: a beat may come after the clock was read. */
    return (int64_t)(pt_monotonic_ns() - pt_load64(&file->header->heartbeat_ns)) < PT_STALE_NS;
}

/* A chunk for a thread: a recycled one, else a new one, else one that the reader frees in time. */
static PT_COLD uint32_t pt_take_chunk(pt_writer *writer)
{
    pt_file *file = writer->file;
    uint32_t chunk = pt_free_chunk(file);
    if (chunk == PT_NO_CHUNK && file->chunks >= PT_EAGER_CHUNKS && pt_reader_is_fresh(file)) {
        uint64_t start = pt_monotonic_ns(), now = start;
        while (chunk == PT_NO_CHUNK && now - start < PT_STALL_NS) {
            pt_sleep_us(100);
            chunk = pt_free_chunk(file);
            now = pt_monotonic_ns();
        }
        file->header->stalled_ns += now - start;
    }
    if (chunk == PT_NO_CHUNK) {
        int error = pt_grow(writer, PT_GROW_CHUNKS);
        if (!error)
            return pt_free_chunk(file);
        writer->error = error;
        file->header->error = (uint32_t)error;
        if (!pt_reader_is_fresh(file))
            file->off = 1; /* nobody will ever free one */
    }
    return chunk;
}

/* ---- a thread's chunk ---- */

static PT_COLD void pt_count_dropped(pt_writer *writer, uint64_t count)
{
    if (writer->file->alive)
        writer->file->header->dropped += count;
    else
        writer->lost += count;
}

static inline int pt_in_sink(pt_thread_state *t) { return t->limit == pt_sink + PT_CHUNK_RECORDS; }

/* Record this thread's calls no more until pt_go_on(), at no cost to the hot path; names and marks still are. */
static PT_COLD void pt_pause(void)
{
    pt_thread_state *t = pt_me;
    if (!t->limit || t->paused)
        return;
    t->paused = t->cursor;
    t->paused_limit = t->limit;
    t->cursor = pt_aside;
    t->end = t->limit = pt_aside + sizeof pt_aside / sizeof *pt_aside;
}

static PT_COLD void pt_go_on(pt_thread_state *t)
{
    if (!t->paused)
        return;
    t->cursor = t->paused;
    t->limit = t->paused_limit;
    t->end = t->cursor; /* the next record looks whether it may be more */
    t->paused = NULL;
}

/* Give back what the thread holds; its next record starts anew. Called under the lock. */
static PT_COLD void pt_hand_back(pt_writer *writer, pt_thread_state *t)
{
    pt_go_on(t);
    if (pt_in_sink(t))
        pt_count_dropped(writer, (uint64_t)(t->cursor - pt_sink));
    else if (t->limit && writer->file->alive) {
        pt_chunk *chunk = &writer->file->table[t->chunk];
        chunk->used = (uint32_t)(t->cursor - (pt_record *)writer->file->map[t->chunk]);
        pt_store32(&chunk->state, PT_FULL);
    }
    t->cursor = t->end = t->limit = NULL;
}

static void PT_THREAD_EXIT pt_thread_ended(void *value)
{
    pt_thread_state *t = value;
    pt_writer *writer = pt_current;
    if (writer) {
        pt_lock(writer->file);
        pt_hand_back(writer, t);
        pt_unlock(writer->file);
    }
    free(t->open);
    free(t->calls);
    free(t->steps);
    t->open = NULL;
    t->calls = NULL;
    t->steps = NULL;
    t->depths = t->steps_depths = 0;
    pt_store32(&t->alive, 0);
    pt_me = &pt_nobody; /* a later destructor of this thread may still run Python */
}

/* Zeroed, and apart from other threads' lines; never freed. NULL when out of memory. */
static PT_COLD pt_thread_state *pt_new_state(void)
{
    static char *page;
    static size_t left;
    size_t size = (sizeof(pt_thread_state) + 127) & ~(size_t)127;
    if (left < size) {
        char *memory = pt_wiped_memory(16384);
        if (!memory)
            return NULL;
        page = memory;
        left = 16384;
    }
    pt_thread_state *t = (pt_thread_state *)page;
    page += size;
    left -= size;
    return t;
}

/* This thread's state, made on its first record and again in a forked child. NULL when out of memory. */
static PT_COLD pt_thread_state *pt_register(void)
{
    pt_thread_state *t = pt_me;
    if (t->alive)
        return t;
    if (pt_states_pid != pt_process_id()) { /* they are the parent's; this thread's comes back at once */
        pt_states_pid = pt_process_id();
        pt_states_used = 0;
    }
    uint32_t slot = 0;
    while (slot < pt_states_used && pt_states[slot]->alive)
        slot++;
    if (slot == pt_states_size) {
        uint32_t size = pt_states_size ? 2 * pt_states_size : 64;
        pt_thread_state **states = realloc(pt_states, size * sizeof *states);
        if (!states)
            return NULL;
        pt_states = states;
        pt_states_size = size;
    }
    if (slot == pt_states_used) {
        if (t == &pt_nobody && !(t = pt_new_state()))
            return NULL;
        pt_states[pt_states_used++] = t;
    } else if (t == &pt_nobody)
        t = pt_states[slot];
    else
        pt_states[slot] = t;
    memset(t, 0, sizeof *t);
    t->alive = 1;
    /* The main thread has the oldest one, until the interpreter's end. Any other thread may change its own: one that C
     * code made gets a new one each time that it calls into Python. */
    PyThreadState *python = pt_python_thread();
    if (pt_is_first_thread() && !PyThreadState_Next(python))
        t->python = python;
    pt_watch_thread(t);
    return pt_me = t;
}

/* This thread's seat in the recording. */
static PT_COLD void pt_sit_down(pt_thread_state *t, pt_writer *writer)
{
    pt_seat *seat = t->seats;
    for (pt_seat *s = t->seats; s < t->seats + PT_SEATS; s++)
        if (s->writer == writer->serial) {
            t->seat = s;
            return;
        } else if (s->writer < seat->writer)
            seat = s;
    *seat = (pt_seat){writer->serial, writer->file->threads++, 0, PT_UNKNOWN};
    t->seat = seat;
}

/* Give this thread a chunk with room for `count` records, or the sink. Returns NULL only when it must not record. */
static PT_COLD pt_thread_state *pt_take_room(uint32_t count)
{
    pt_writer *writer = pt_current;
    if (!writer || writer->file->off)
        return NULL;
    pt_file *file = writer->file;
    pt_lock(file);
    if (!file->alive) { /* after a fork */
        char parent[64];
        memcpy(parent, writer->name, sizeof parent);
        int error = pt_open_file(writer, parent);
        if (error) {
            writer->error = error;
            file->off = 1;
        }
    } else if (pt_load32(&file->header->stop))
        file->off = 1;
    pt_thread_state *t = file->off ? NULL : pt_register();
    if (t && t->paused)
        t->cursor = pt_aside;
    else if (t && (uint32_t)(t->limit - t->cursor) < count) {
        pt_hand_back(writer, t);
        pt_sit_down(t, writer);
        uint32_t chunk = pt_take_chunk(writer);
        if (chunk == PT_NO_CHUNK) {
            t->cursor = pt_sink;
            t->limit = pt_sink + PT_CHUNK_RECORDS;
        } else {
            pt_chunk *entry = &file->table[chunk];
            entry->thread = t->seat->serial;
            entry->seq = t->seat->seq++;
            entry->used = 0;
            entry->native_id = pt_native_thread_id();
            pt_store32(&entry->state, PT_OWNED);
            t->chunk = chunk;
            t->cursor = (pt_record *)file->map[chunk];
            t->limit = t->cursor + PT_CHUNK_RECORDS;
        }
        /* While the thread's name is looked for, every record takes the slow path. */
        t->end = t->seat->naming == PT_NAMED || pt_in_sink(t) ? t->limit : t->cursor;
    }
    if (file->off)
        t = NULL;
    pt_unlock(file);
    return t;
}

/* The next id of a name. A forked child opens its file first: the file says from which id on the names are its own. */
static PT_COLD uint32_t pt_new_id(void)
{
    if (pt_current && !pt_current->file->alive)
        pt_take_room(1);
    return pt_next_id++;
}

/* ---- records ---- */

/* Writes a PT_THREAD where there is news; set by recorder.pyx, since names are Python objects. */
static void (*pt_introduce)(pt_thread_state *t);

static PT_COLD int pt_deepen(pt_thread_state *t, uint32_t depth);
static inline void pt_put(pt_thread_state *t, uint64_t tick, uint64_t word);

/* First thing in a forked child: what was running there goes on here. */
static PT_COLD void pt_take_over(void)
{
    const pt_open *open = pt_inherit;
    pt_inherit = NULL;
    for (uint32_t depth = 0; depth < pt_inherited_depths; depth++) {
        uint32_t id = open[depth].frame;
        pt_thread_state *t = id ? pt_take_room(1) : NULL;
        if (t && (depth < t->depths || pt_deepen(t, depth))) {
            pt_put(t, pt_now(pt_tick_source), PT_WORD(PT_INHERITED, depth, id));
            t->open[depth].frame = id;
            t->open[depth].call = 0;
        }
    }
}

/* Looks at the records that filled a chunk; set by recorder.pyx. */
static void (*pt_look_back)(const pt_record *records);

/* The cursor met the end: a new chunk, or a thread whose name is still looked for at each of its records. */
static PT_COLD pt_thread_state *pt_refill(void)
{
    pt_thread_state *t = pt_me;
    if (t->limit && t->cursor == t->limit && !t->paused)
        pt_look_back(t->limit - PT_CHUNK_RECORDS);
    t = pt_take_room(1);
    if (t && t->seat->naming != PT_NAMED && !pt_in_sink(t)) {
        pt_introduce(t);
        if (pt_inherit && pt_inherited_pid != pt_process_id())
            pt_take_over();
        t = pt_take_room(1); /* these took some */
    }
    if (t) /* the cursor must never pass the end: it would not stop at the limit */
        t->end = t->seat->naming == PT_NAMED || pt_in_sink(t) ? t->limit : t->cursor + 1;
    return t;
}

/* The thread's state with room for one record, or NULL. */
static inline pt_thread_state *pt_room(void)
{
    pt_thread_state *t = pt_me;
    return PT_LIKELY(t->cursor != t->end) ? t : pt_refill();
}

/* How deep this thread is: looked up from its own state where that is known, which saves a call. */
static inline uint32_t pt_depth(const pt_thread_state *t)
{
    return pt_depth_of(PT_LIKELY(t->python != NULL) ? t->python : pt_python_thread());
}

/* Append a record; there is room. */
static inline void pt_put(pt_thread_state *t, uint64_t tick, uint64_t word)
{
    pt_record *record = t->cursor;
    record->word = word;
    pt_store64(&record->tick, tick);
    t->cursor = record + 1;
}

/* Append a record with a payload: `head`, then `text`. Returns 0 when there was no room for it. */
static PT_COLD int pt_put_payload(uint32_t kind, uint32_t id, const void *head, size_t head_size, const void *text,
                                  size_t text_size)
{
    if (pt_me->paused) {
        pt_go_on(pt_me);
        int done = pt_put_payload(kind, id, head, head_size, text, text_size);
        pt_pause();
        return done;
    }
    size_t size = head_size + text_size;
    uint32_t count = 1 + (uint32_t)((size + 15) / 16);
    if (size > PT_MAX_PAYLOAD)
        return 0;
    pt_thread_state *t = pt_me;
    if ((size_t)(t->limit - t->cursor) < count)
        t = pt_take_room(count);
    if (!t || pt_in_sink(t)) {
        if (t)
            pt_count_dropped(pt_current, 1);
        return 0;
    }
    pt_record *record = t->cursor;
    char *payload = (char *)(record + 1);
    if (head_size)
        memcpy(payload, head, head_size);
    memcpy(payload + head_size, text, text_size);
    record->word = PT_WORD(kind, size, id);
    pt_store64(&record->tick, pt_now(pt_tick_source));
    t->cursor = record + count;
    if (t->end < t->cursor)
        t->end = t->cursor; /* it was short of the limit: look again at the next record */
    return 1;
}

/* Make room in the arrays by depth; called where `depth` is beyond them. */
static PT_COLD int pt_deepen(pt_thread_state *t, uint32_t depth)
{
    uint32_t depths = t->depths ? t->depths : t->first_depths ? t->first_depths : PT_FIRST_DEPTHS;
    if (depth >= 1u << 24)
        return 0;
    while (depths <= depth)
        depths *= 2;
    pt_open *open = realloc(t->open, depths * sizeof *open);
    if (open)
        t->open = open;
    pt_open_call *calls = realloc(t->calls, depths * sizeof *calls);
    if (calls)
        t->calls = calls;
    if (!open || !calls)
        return 0;
    memset(open + t->depths, 0, (depths - t->depths) * sizeof *open);
    t->depths = depths;
    return 1;
}

/* ---- recordings ---- */

/* All threads give back their chunks; the caller holds the GIL, so none of them is in a hook. */
static PT_COLD void pt_hand_back_all(pt_writer *writer)
{
    pt_lock(writer->file);
    for (uint32_t i = 0; i < pt_states_used; i++)
        if (pt_states[i]->alive)
            pt_hand_back(writer, pt_states[i]);
    pt_unlock(writer->file);
}

/* Where the kernel does not wipe: the same, by hand, first thing in a forked child. */
static PT_COLD void pt_after_fork_in_child(void)
{
    for (uint32_t i = 0; i < pt_states_used; i++)
        memset(pt_states[i], 0, sizeof *pt_states[i]);
    for (pt_writer *writer = pt_current; writer; writer = writer->outer)
        memset(writer->file, 0, sizeof *writer->file);
}

static PT_COLD int pt_begin(const char *directory, uint32_t clock)
{
    static uint32_t serial;
    static int watching;
    int error;
    if (strlen(directory) >= PT_PATH_BYTES)
        return ENAMETOOLONG;
    if (!watching &&
        ((error = pt_on_thread_exit(pt_thread_ended)) || (error = pt_wipe_on_fork(pt_after_fork_in_child))))
        return error;
    watching = 1;
    pt_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return ENOMEM;
    writer->file = pt_wiped_memory(sizeof(pt_file));
    writer->clock = clock;
    writer->serial = ++serial;
    strcpy(writer->directory, directory);
    error = writer->file ? pt_open_file(writer, "") : ENOMEM;
    if (error) {
        if (writer->file)
            pt_unmap(writer->file, sizeof(pt_file));
        free(writer);
        return error;
    }
    if (pt_current)
        pt_hand_back_all(pt_current);
    writer->outer = pt_current;
    pt_current = writer;
    pt_tick_source = clock;
    return 0;
}

/* Return to the recording before this one. Its mappings stay: another thread may be in a late callback. */
static PT_COLD void pt_finish(void)
{
    pt_writer *writer = pt_current;
    pt_hand_back_all(writer);
    pt_current = writer->outer;
    if (pt_current)
        pt_tick_source = pt_current->clock;
}

#endif
