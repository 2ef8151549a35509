/* Preloaded into one wnm: counts the calls by which it changes the machine, and strikes at the n-th of them.
 *
 * Environment, all of it taken out again before the program runs, so that no child inherits it:
 *   CHAOS_HOME    only files below this folder count
 *   CHAOS_REPORT  file that gets a line for the strike, "struck STEP PATH"
 *   CHAOS_PLAN    "STEPS EFFECT FROM UNTIL": STEPS joined by + (open write sync rename unlink make spawn kill read),
 *                 EFFECT kill, after, torn, term, stop, or the name of an errno; it strikes from the FROM-th to the
 *                 UNTIL-th of these calls
 *   CHAOS_CLOCK   seconds that the wall clock was set ahead (or back), as by an operator or NTP
 *   CHAOS_PASSED  file with a line "SINCE SECONDS" for each time that hours were made to pass: from SINCE on (seconds
 *                 since the start of the machine) all clocks are SECONDS ahead, and processes born later are so too
 *   CHAOS_FAKE    folder with other contents of a few files of the machine, by their whole paths
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { OPEN, WRITE, SYNC, RENAME, UNLINK, MAKE, SPAWN, KILL, READ, STEPS };
static const char *NAMES[STEPS] = {"open", "write", "sync", "rename", "unlink", "make", "spawn", "kill", "read"};
enum { NOTHING, DIE, DIE_AFTER, TORN, TERM, STOP, FAIL };
static const struct { const char *name; int number; } ERRORS[] = {
    {"ENOSPC", ENOSPC}, {"EIO", EIO}, {"EROFS", EROFS}, {"EDQUOT", EDQUOT}, {"EMFILE", EMFILE},
    {"ENFILE", ENFILE}, {"ENOMEM", ENOMEM}, {"EACCES", EACCES}, {"EAGAIN", EAGAIN}, {"ESTALE", ESTALE}};

static pid_t owner;
static char home[PATH_MAX], report[PATH_MAX], fake[PATH_MAX];
static size_t home_length;
static unsigned wanted;
static int effect = NOTHING, failure;
static long from, until, seen;
static long ahead;
static struct { double since; long seconds; } passed[4096];
static int passages;
static pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
static long (*direct)(long, ...);

static void take(const char *name, char *into) {
    const char *value = getenv(name);
    if (value) snprintf(into, PATH_MAX, "%s", value);
    unsetenv(name);
}

__attribute__((constructor)) static void begin(void) {
    char plan[256] = "", text[64] = "", steps[128], how[32];
    char times[PATH_MAX] = "";
    owner = getpid();
    direct = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    take("CHAOS_PASSED", times);
    take("CHAOS_HOME", home);
    take("CHAOS_REPORT", report);
    take("CHAOS_FAKE", fake);
    const char *value = getenv("CHAOS_PLAN");
    if (value) snprintf(plan, sizeof plan, "%s", value);
    unsetenv("CHAOS_PLAN");
    value = getenv("CHAOS_CLOCK");
    if (value) snprintf(text, sizeof text, "%s", value);
    unsetenv("CHAOS_CLOCK");
    unsetenv("LD_PRELOAD");
    ahead = atol(text);
    FILE *file = times[0] ? fopen(times, "re") : NULL;
    if (file) {
        while (passages < 4096 && fscanf(file, "%lf %ld", &passed[passages].since, &passed[passages].seconds) == 2)
            passages++;
        fclose(file);
    }
    home_length = strlen(home);
    if (sscanf(plan, "%127s %31s %ld %ld", steps, how, &from, &until) != 4) return;
    for (char *word = strtok(steps, "+"); word; word = strtok(NULL, "+"))
        for (int i = 0; i < STEPS; i++)
            if (!strcmp(word, NAMES[i])) wanted |= 1u << i;
    if (!strcmp(how, "kill")) effect = DIE;
    else if (!strcmp(how, "after")) effect = DIE_AFTER;
    else if (!strcmp(how, "torn")) effect = TORN;
    else if (!strcmp(how, "term")) effect = TERM;
    else if (!strcmp(how, "stop")) effect = STOP;
    for (size_t i = 0; i < sizeof ERRORS / sizeof *ERRORS; i++)
        if (!strcmp(how, ERRORS[i].name)) effect = FAIL, failure = ERRORS[i].number;
}

static void tell(int step, const char *path) {
    char line[PATH_MAX + 64];
    int length = snprintf(line, sizeof line, "struck %ld %s %s\n", seen, NAMES[step], path);
    int file = direct(SYS_openat, AT_FDCWD, report, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0) return;
    direct(SYS_write, file, line, length);
    direct(SYS_close, file);
}

/* How many of these calls there were, for a plan that lies beyond them. */
static void end(void) {
    char line[64];
    if (effect == NOTHING || seen >= from || getpid() != owner) return;
    int length = snprintf(line, sizeof line, "counted %ld\n", seen);
    int file = direct(SYS_openat, AT_FDCWD, report, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    direct(SYS_write, file, line, length);
    direct(SYS_close, file);
}

static void die(void) {
    direct(SYS_kill, owner, SIGKILL);
    for (;;) pause();
}

/* What is to become of this call; DIE, TERM and STOP have happened by then. */
static int strike(int step, const char *path) {
    int mine, first;
    if (effect == NOTHING || !(wanted & 1u << step) || getpid() != owner) return NOTHING;
    pthread_mutex_lock(&counting);
    seen++;
    mine = seen >= from && seen <= until;
    first = seen == from;
    if (mine && first) tell(step, path);
    pthread_mutex_unlock(&counting);
    if (!mine) return NOTHING;
    if (effect == DIE || (effect == TORN && step != WRITE)) die();
    if (effect == TERM) direct(SYS_kill, owner, SIGTERM);
    if (effect == STOP) direct(SYS_kill, owner, SIGSTOP);
    return effect;
}

static int below(const char *path) {
    return home_length && !strncmp(path, home, home_length);
}

static int on_path(int step, int folder, const char *path) {
    char whole[PATH_MAX * 2], base[PATH_MAX], link[64];
    if (effect == NOTHING || !path) return NOTHING;
    if (path[0] == '/') return below(path) ? strike(step, path) : NOTHING;
    if (folder == AT_FDCWD) {
        if (!getcwd(base, sizeof base)) return NOTHING;
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t length = direct(SYS_readlinkat, AT_FDCWD, link, base, sizeof base - 1);
        if (length < 0) return NOTHING;
        base[length] = 0;
    }
    snprintf(whole, sizeof whole, "%s/%s", base, path);
    return below(whole) ? strike(step, whole) : NOTHING;
}

static int on_file(int step, int file) {
    char path[PATH_MAX], link[64];
    if (effect == NOTHING) return NOTHING;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = direct(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (length < 0) return NOTHING;
    path[length] = 0;
    return below(path) ? strike(step, path) : NOTHING;
}

#define AROUND(type, name, what, call)                       \
    static __typeof__(&name) real;                           \
    if (!real) real = REAL(name);                            \
    int fate = what;                                         \
    if (fate == FAIL) { errno = failure; return -1; }        \
    type result = call;                                      \
    if (fate == DIE_AFTER) die();                            \
    return result;

static const char *instead(const char *path, char *buffer) {
    if (!fake[0] || !path || path[0] != '/') return path;
    if (strcmp(path, "/proc/stat") && strcmp(path, "/proc/meminfo") && strcmp(path, "/proc/sys/kernel/random/boot_id"))
        return path;
    snprintf(buffer, PATH_MAX * 2, "%s%s", fake, path);
    return direct(SYS_faccessat, AT_FDCWD, buffer, F_OK) ? path : buffer;
}

static int with_another_birth(int file);
static int is_process_stat(const char *path);
static int opened(const char *path, int file) {
    return file >= 0 && is_process_stat(path) ? with_another_birth(file) : file;
}

static int opening(int flags) {
    return flags & (O_WRONLY | O_RDWR | O_CREAT) ? OPEN : READ;
}

#define MODE(flags) va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more)
int open(const char *path, int flags, ...) {
    char buffer[PATH_MAX * 2];
    MODE(flags);
    AROUND(int, open, on_path(opening(flags), AT_FDCWD, path), opened(path, real(instead(path, buffer), flags, mode)))
}
int open64(const char *path, int flags, ...) {
    char buffer[PATH_MAX * 2];
    MODE(flags);
    AROUND(int, open64, on_path(opening(flags), AT_FDCWD, path), opened(path, real(instead(path, buffer), flags, mode)))
}
int openat(int at, const char *path, int flags, ...) {
    MODE(flags);
    AROUND(int, openat, on_path(opening(flags), at, path), real(at, path, flags, mode))
}
int openat64(int at, const char *path, int flags, ...) {
    MODE(flags);
    AROUND(int, openat64, on_path(opening(flags), at, path), real(at, path, flags, mode))
}

/* Half of it is written, then the power is gone. */
#define TEAR(half) if (fate == TORN) { half; die(); }
ssize_t write(int file, const void *bytes, size_t count) {
    static __typeof__(&write) real;
    if (!real) real = REAL(write);
    int fate = on_file(WRITE, file);
    if (fate == FAIL) { errno = failure; return -1; }
    TEAR(real(file, bytes, count / 2))
    ssize_t result = real(file, bytes, count);
    if (fate == DIE_AFTER) die();
    return result;
}
ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) {
    static __typeof__(&pwrite) real;
    if (!real) real = REAL(pwrite);
    int fate = on_file(WRITE, file);
    if (fate == FAIL) { errno = failure; return -1; }
    TEAR(real(file, bytes, count / 2, at))
    ssize_t result = real(file, bytes, count, at);
    if (fate == DIE_AFTER) die();
    return result;
}
ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
    static __typeof__(&pwrite64) real;
    if (!real) real = REAL(pwrite64);
    int fate = on_file(WRITE, file);
    if (fate == FAIL) { errno = failure; return -1; }
    TEAR(real(file, bytes, count / 2, at))
    ssize_t result = real(file, bytes, count, at);
    if (fate == DIE_AFTER) die();
    return result;
}
ssize_t sendfile64(int to, int source, off64_t *at, size_t count) {
    static ssize_t (*real)(int, int, off64_t *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "sendfile64");
    int fate = on_file(WRITE, to);
    if (fate == FAIL) { errno = failure; return -1; }
    TEAR(real(to, source, at, count / 2))
    ssize_t result = real(to, source, at, count);
    if (fate == DIE_AFTER) die();
    return result;
}
ssize_t copy_file_range(int source, off64_t *from_at, int to, off64_t *to_at, size_t count, unsigned flags) {
    AROUND(ssize_t, copy_file_range, on_file(WRITE, to), real(source, from_at, to, to_at, count, flags))
}

int fsync(int file) { AROUND(int, fsync, on_file(SYNC, file), real(file)) }
int fdatasync(int file) { AROUND(int, fdatasync, on_file(SYNC, file), real(file)) }
int rename(const char *old, const char *new) { AROUND(int, rename, on_path(RENAME, AT_FDCWD, new), real(old, new)) }
int renameat(int at, const char *old, int to, const char *new) {
    AROUND(int, renameat, on_path(RENAME, to, new), real(at, old, to, new))
}
int unlink(const char *path) { AROUND(int, unlink, on_path(UNLINK, AT_FDCWD, path), real(path)) }
int unlinkat(int at, const char *path, int flags) {
    AROUND(int, unlinkat, on_path(UNLINK, at, path), real(at, path, flags))
}
int rmdir(const char *path) { AROUND(int, rmdir, on_path(UNLINK, AT_FDCWD, path), real(path)) }
int mkdir(const char *path, mode_t mode) { AROUND(int, mkdir, on_path(MAKE, AT_FDCWD, path), real(path, mode)) }
int mkdirat(int at, const char *path, mode_t mode) { AROUND(int, mkdirat, on_path(MAKE, at, path), real(at, path, mode)) }
int link(const char *old, const char *new) { AROUND(int, link, on_path(MAKE, AT_FDCWD, new), real(old, new)) }
int linkat(int at, const char *old, int to, const char *new, int flags) {
    AROUND(int, linkat, on_path(MAKE, to, new), real(at, old, to, new, flags))
}
int fchmod(int file, mode_t mode) { AROUND(int, fchmod, on_file(MAKE, file), real(file, mode)) }
int chmod(const char *path, mode_t mode) { AROUND(int, chmod, on_path(MAKE, AT_FDCWD, path), real(path, mode)) }
int ftruncate64(int file, off64_t length) { AROUND(int, ftruncate64, on_file(MAKE, file), real(file, length)) }
int ftruncate(int file, off_t length) { AROUND(int, ftruncate, on_file(MAKE, file), real(file, length)) }

/* subprocess makes a pipe just before it forks, and only then one of this kind. */
int pipe2(int ends[2], int flags) { AROUND(int, pipe2, strike(SPAWN, "-"), real(ends, flags)) }
int kill(pid_t pid, int number) { AROUND(int, kill, number ? strike(KILL, "-") : NOTHING, real(pid, number)) }

void _exit(int code) {
    end();
    direct(SYS_exit_group, code);
    __builtin_unreachable();
}
__attribute__((destructor)) static void at_the_end(void) { end(); }

long syscall(long number, ...) {
    va_list more;
    long word[6];
    va_start(more, number);
    for (int i = 0; i < 6; i++) word[i] = va_arg(more, long);
    va_end(more);
    if (!direct) direct = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    int fate = number == SYS_pidfd_send_signal ? strike(KILL, "-") : NOTHING;
    if (fate == FAIL) { errno = failure; return -1; }
    long result = direct(number, word[0], word[1], word[2], word[3], word[4], word[5]);
    if (fate == DIE_AFTER) die();
    return result;
}

static long later(void) {
    return passages ? passed[passages - 1].seconds : 0;
}

/* The birth of a process, the 22nd field, on clocks that were moved: a copy of the file with another number. */
static int with_another_birth(int file) {
    char text[4096], copy[4200];
    ssize_t length = direct(SYS_read, file, text, sizeof text - 1);
    direct(SYS_lseek, file, 0, SEEK_SET);
    if (length <= 0) return file;
    text[length] = 0;
    char *at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++) at = strchr(at + 1, ' ');
    if (!at) return file;
    char *rest;
    long ticks = strtol(at + 1, &rest, 10), added = 0;
    for (int i = 0; i < passages; i++)
        if (passed[i].since * 100 <= ticks) added = passed[i].seconds * 100;
    *at = 0;
    int size = snprintf(copy, sizeof copy, "%s %ld%s", text, ticks + added, rest);
    int made = direct(SYS_memfd_create, "stat", 1);
    if (made < 0) return file;
    direct(SYS_write, made, copy, size);
    direct(SYS_lseek, made, 0, SEEK_SET);
    direct(SYS_close, file);
    return made;
}

static int is_process_stat(const char *path) {
    int pid, length = 0;
    return passages && path && sscanf(path, "/proc/%d/stat%n", &pid, &length) == 1 && length && !path[length];
}

int clock_gettime(clockid_t which, struct timespec *at) {
    static __typeof__(&clock_gettime) real;
    if (!real) real = REAL(clock_gettime);
    int result = real(which, at);
    if (!result && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) at->tv_sec += ahead + later();
    if (!result && (which == CLOCK_MONOTONIC || which == CLOCK_BOOTTIME || which == CLOCK_MONOTONIC_RAW))
        at->tv_sec += later();
    return result;
}
/* Those who wait until a moment on a clock that was moved shall wait until that moment on the kernel's. */
static struct timespec kernels(const struct timespec *until_then, long by) {
    struct timespec moved = *until_then;
    moved.tv_sec -= by;
    return moved;
}
static long by(clockid_t which) {
    if (which == CLOCK_REALTIME) return ahead + later();
    return which == CLOCK_MONOTONIC || which == CLOCK_BOOTTIME ? later() : 0;
}
int sem_clockwait(sem_t *lock, clockid_t which, const struct timespec *then) {
    static __typeof__(&sem_clockwait) real;
    if (!real) real = REAL(sem_clockwait);
    struct timespec moved = kernels(then, by(which));
    return real(lock, which, &moved);
}
int sem_timedwait(sem_t *lock, const struct timespec *then) {
    static __typeof__(&sem_timedwait) real;
    if (!real) real = REAL(sem_timedwait);
    struct timespec moved = kernels(then, by(CLOCK_REALTIME));
    return real(lock, &moved);
}
/* Python's conditions are all on the monotonic clock. */
int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *lock, const struct timespec *then) {
    static __typeof__(&pthread_cond_timedwait) real;
    if (!real) real = REAL(pthread_cond_timedwait);
    struct timespec moved = kernels(then, later());
    return real(condition, lock, &moved);
}
int clock_nanosleep(clockid_t which, int flags, const struct timespec *then, struct timespec *left) {
    static __typeof__(&clock_nanosleep) real;
    if (!real) real = REAL(clock_nanosleep);
    struct timespec moved = kernels(then, flags & TIMER_ABSTIME ? by(which) : 0);
    return real(which, flags, &moved, left);
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}
