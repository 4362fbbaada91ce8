/*
 * Moves the wall clock of the processes that preload this object; the monotonic clock stays.
 *
 * The environment variable CLOCK_AHEAD names a file with one signed 64-bit number: how many nanoseconds
 * their clock is ahead. The file is mapped, so a test moves the clocks of running processes by writing it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
/* A deadline beyond this is one of the wall clock: no machine has run for thirty years. */
#define OF_THE_WALL_CLOCK 1000000000

static const volatile int64_t *ahead;

__attribute__((constructor)) static void map(void) {
  const char *name = getenv("CLOCK_AHEAD");
  int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *page = mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (page != MAP_FAILED) ahead = page;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  long failed = syscall(SYS_clock_gettime, clock, now);
  if (failed || !ahead || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return (int)failed;
  int64_t moved = now->tv_sec * SECOND + now->tv_nsec + *ahead;
  now->tv_sec = moved / SECOND;
  now->tv_nsec = moved % SECOND;
  return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec exact;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &exact);
  now->tv_sec = exact.tv_sec;
  now->tv_usec = exact.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *where) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (where) *where = now.tv_sec;
  return now.tv_sec;
}

/* The kernel does not know of the moved clock. A deadline of it is told as the real one. */
int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict deadline) {
  static int (*wait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
  if (!wait) *(void **)&wait = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
  if (!ahead || deadline->tv_sec < OF_THE_WALL_CLOCK) return wait(cond, mutex, deadline);
  int64_t real = deadline->tv_sec * SECOND + deadline->tv_nsec - *ahead;
  struct timespec moved = {.tv_sec = real / SECOND, .tv_nsec = real % SECOND};
  return wait(cond, mutex, &moved);
}
