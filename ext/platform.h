/* What the writer asks of the operating system: reserved and mapped file space, memory that a forked child finds
 * empty, thread ids, the end of a thread, a detached process. */
#ifndef PT_PLATFORM_H
#define PT_PLATFORM_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "compat.h"

#if defined(_WIN32)
#include <windows.h>
#else
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#endif
#if defined(__linux__)
#include <sched.h>
#include <sys/syscall.h>
#endif

static inline uint32_t pt_process_id(void)
{
#if defined(_WIN32)
    return GetCurrentProcessId();
#elif defined(__linux__)
    return (uint32_t)syscall(SYS_getpid);
#else
    return (uint32_t)getpid();
#endif
}

static inline uint32_t pt_parent_id(void)
{
#if defined(_WIN32)
    return 0;
#else
    return (uint32_t)getppid();
#endif
}

static inline uint64_t pt_native_thread_id(void)
{
#if defined(_WIN32)
    return GetCurrentThreadId();
#elif defined(__linux__)
    return (uint64_t)syscall(SYS_gettid);
#elif defined(__APPLE__)
    uint64_t id = 0;
    pthread_threadid_np(NULL, &id);
    return id;
#else
    return (uint64_t)(uintptr_t)pthread_self();
#endif
}

/* Whether this is the thread with which the process began; 0 also where there is no telling. */
static inline int pt_is_first_thread(void)
{
#if defined(__linux__)
    return pt_native_thread_id() == pt_process_id();
#elif defined(__APPLE__)
    return pthread_main_np();
#else
    return 0;
#endif
}

static inline void pt_sleep_us(unsigned microseconds)
{
#if defined(_WIN32)
    (void)microseconds;
    Sleep(1);
#else
    struct timespec t = {0, (long)microseconds * 1000};
    nanosleep(&t, NULL);
#endif
}

/* Reserve bytes [offset, offset + size) of the file and map them. A full disk is an error here, never a SIGBUS
 * later. Holds no descriptor afterwards. Returns 0 or an errno. */
static PT_COLD int pt_map_file(const char *path, int create, uint64_t offset, uint64_t size, void **mapped)
{
#if defined(_WIN32)
    wchar_t wide[4096];
    if (!MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, 4096))
        return ENAMETOOLONG;
    HANDLE file = CreateFileW(wide, GENERIC_READ | GENERIC_WRITE,
                              FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                              create ? CREATE_NEW : OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
    if (file == INVALID_HANDLE_VALUE)
        return EACCES;
    uint64_t end = offset + size;
    HANDLE mapping = CreateFileMappingW(file, NULL, PAGE_READWRITE, (DWORD)(end >> 32), (DWORD)end, NULL);
    CloseHandle(file);
    if (!mapping)
        return ENOSPC;
    *mapped = MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, (DWORD)(offset >> 32), (DWORD)offset, size);
    CloseHandle(mapping);
    return *mapped ? 0 : ENOMEM;
#else
    struct rlimit limit;
    /* Growing beyond this limit would be a SIGXFSZ. */
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < offset + size)
        return EFBIG;
    int file = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT | O_EXCL : 0), 0600);
    if (file < 0)
        return errno;
#if defined(__APPLE__)
    fstore_t store = {F_ALLOCATEALL, F_PEOFPOSMODE, 0, (off_t)size, 0};
    int error = fcntl(file, F_PREALLOCATE, &store) || ftruncate(file, (off_t)(offset + size)) ? errno : 0;
#else
    int error;
    do
        error = posix_fallocate(file, (off_t)offset, (off_t)size);
    while (error == EINTR);
#endif
    void *memory = MAP_FAILED;
    if (!error) {
        memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, (off_t)offset);
        if (memory == MAP_FAILED)
            error = errno;
    }
    if (error && create)
        unlink(path);
    close(file);
    *mapped = memory;
    return error;
#endif
}

static inline void pt_unmap(void *memory, uint64_t size)
{
#if defined(_WIN32)
    (void)size;
    UnmapViewOfFile(memory);
#else
    munmap(memory, size);
#endif
}

/* Zeroed memory that a forked child finds zeroed again; NULL when there is none. */
static inline void *pt_wiped_memory(size_t size)
{
#if defined(_WIN32)
    return VirtualAlloc(NULL, size, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
#else
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
#if defined(MADV_WIPEONFORK)
    madvise(memory, size, MADV_WIPEONFORK);
#endif
    return memory;
#endif
}

/* See to it that a forked child finds that memory zeroed. The kernel does it by whatever route it was forked, since
 * Linux 4.14; elsewhere, and where an emulator refuses, `wipe` does it in the child before fork() returns there. */
static PT_COLD int pt_wipe_on_fork(void (*wipe)(void))
{
#if defined(_WIN32)
    (void)wipe;
    return 0;
#else
#if defined(MADV_WIPEONFORK)
    void *memory = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int refused = memory == MAP_FAILED || madvise(memory, 1, MADV_WIPEONFORK);
    if (memory != MAP_FAILED)
        munmap(memory, 1);
    if (!refused)
        return 0;
#endif
    return pthread_atfork(NULL, NULL, wipe);
#endif
}

/* ---- the end of a thread ---- */

#if defined(_WIN32)
static DWORD pt_exit_slot = FLS_OUT_OF_INDEXES;
static inline int pt_on_thread_exit(void(WINAPI *function)(void *))
{
    pt_exit_slot = FlsAlloc(function);
    return pt_exit_slot == FLS_OUT_OF_INDEXES ? EAGAIN : 0;
}
static inline void pt_watch_thread(void *value) { FlsSetValue(pt_exit_slot, value); }
#define PT_THREAD_EXIT WINAPI
#else
static pthread_key_t pt_exit_slot;
static inline int pt_on_thread_exit(void (*function)(void *)) { return pthread_key_create(&pt_exit_slot, function); }
static inline void pt_watch_thread(void *value) { pthread_setspecific(pt_exit_slot, value); }
#define PT_THREAD_EXIT
#endif

/* ---- children ---- */

enum pt_child_state { PT_CHILD_RUNS, PT_CHILD_ZOMBIE, PT_CHILD_GONE };

/* Whether a child of this process still runs; leaves it to be reaped by whoever started it. */
static PT_COLD int pt_child_state(uint32_t pid)
{
#if defined(_WIN32)
    HANDLE process = OpenProcess(SYNCHRONIZE, FALSE, pid);
    int runs = process && WaitForSingleObject(process, 0) == WAIT_TIMEOUT;
    if (process)
        CloseHandle(process);
    return runs ? PT_CHILD_RUNS : PT_CHILD_GONE;
#else
    siginfo_t info;
    memset(&info, 0, sizeof info);
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT))
        return PT_CHILD_GONE;
    return info.si_pid ? PT_CHILD_ZOMBIE : PT_CHILD_RUNS;
#endif
}

/* ---- a detached process ---- */

#if defined(__linux__)
typedef struct {
    char *const *argv;
    char *stack;
    int error;
    int pid;
} pt_spawn;

/* Runs in the caller's memory while the caller is suspended: async-signal-safe calls only. */
static int pt_detached_child(void *argument)
{
    pt_spawn *spawn = argument;
    static char *const environment[] = {NULL};
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0) {
        spawn->error = errno;
        _exit(127);
    }
#if defined(SYS_close_range)
    if (syscall(SYS_close_range, 3u, ~0u, 0u))
#endif
    {
        struct rlimit limit;
        int count = getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur > 65536 ? 65536 : (int)limit.rlim_cur;
        for (int i = 3; i < count; i++)
            close(i);
    }
    struct sigaction usual;
    memset(&usual, 0, sizeof usual);
    usual.sa_handler = SIG_DFL;
    for (int i = 1; i < 65; i++) /* handlers are the parent's code; SIGKILL and SIGSTOP refuse, harmlessly */
        sigaction(i, &usual, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (chdir("/")) {
        spawn->error = errno;
        _exit(127);
    }
    execve(spawn->argv[0], spawn->argv, environment);
    spawn->error = errno;
    _exit(127);
}

#define PT_SPAWN_STACK 65536

static int pt_detached_middle(void *argument)
{
    pt_spawn *spawn = argument;
    setsid();
    spawn->pid = clone(pt_detached_child, spawn->stack + PT_SPAWN_STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, spawn);
    if (spawn->pid < 0)
        spawn->error = errno;
    _exit(0);
}

/* Start argv[0] as nobody's child, in a session of its own. Two nested vforks: the parent's page tables are not
 * copied, and the one in the middle is reaped here. Returns 0 or an errno. */
static PT_COLD int pt_spawn_detached(char *const *argv, int *pid)
{
    pt_spawn spawn = {argv, NULL, 0, 0};
    size_t size = 2 * PT_SPAWN_STACK;
    spawn.stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (spawn.stack == MAP_FAILED)
        return errno;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before); /* a handler must not run in a borrowed memory */
    /* No exit signal: a SIGCHLD handler of the program must not see this one. */
    int middle = clone(pt_detached_middle, spawn.stack + size, CLONE_VM | CLONE_VFORK, &spawn);
    int error = middle < 0 ? errno : 0;
    while (middle > 0 && waitpid(middle, NULL, __WALL) < 0 && errno == EINTR)
        ;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    munmap(spawn.stack, size);
    *pid = spawn.pid;
    return error ? error : spawn.error;
}
#define PT_CAN_DETACH 1
#else
static inline int pt_spawn_detached(char *const *argv, int *pid)
{
    (void)argv;
    (void)pid;
    return ENOSYS;
}
#define PT_CAN_DETACH 0
#endif

#endif
