/* Shifts the clocks of one process by what a shared file says, at once and without a restart. Preloaded; see lab/clock.py.
 *
 * What is read from the clocks is shifted forth, and the times that waits end at are shifted back, because the kernel knows
 * nothing of this. Waits that have a duration need nothing. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* Seconds ahead of the real clocks: the wall clock, the monotonic clock. */
static const volatile int64_t *ahead;

__attribute__((constructor)) static void attach(void) {
  const char *path = getenv("LAB_SHIFTED_CLOCK");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *mapped = mmap(NULL, 2 * sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
  if (mapped != MAP_FAILED) ahead = mapped;
  close(file);
}

static int64_t shift(clockid_t clock) {
  if (!ahead) return 0;
  switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
      return ahead[0];
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_BOOTTIME:
      return ahead[1];
    default:
      return 0;
  }
}

static struct timespec real_time(clockid_t clock, const struct timespec *shifted) {
  struct timespec real = *shifted;
  real.tv_sec -= shift(clock);
  if (real.tv_sec < 0) real.tv_sec = 0;
  return real;
}

/* The version matters: without it the C library may give the function as it was twenty years ago. */
static void *next(const char *name) {
  void *found = dlvsym(RTLD_NEXT, name, "GLIBC_2.3.2");
  return found ? found : dlsym(RTLD_NEXT, name);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int result = (int)syscall(SYS_clock_gettime, clock, now);
  if (result == 0) now->tv_sec += shift(clock);
  return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  (void)zone;
  struct timespec found;
  clock_gettime(CLOCK_REALTIME, &found);
  now->tv_sec = found.tv_sec;
  now->tv_usec = found.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *out) {
  struct timespec found;
  clock_gettime(CLOCK_REALTIME, &found);
  if (out) *out = found.tv_sec;
  return found.tv_sec;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *left) {
  struct timespec real = flags & TIMER_ABSTIME ? real_time(clock, until) : *until;
  return syscall(SYS_clock_nanosleep, clock, flags, &real, left) == 0 ? 0 : errno;
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until) {
  static int (*original)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
  if (!original) original = next("pthread_cond_timedwait");
  /* Which clock the condition uses cannot be asked; only the wall clock is that far from 0. */
  struct timespec real = real_time(until->tv_sec > 1000000000 ? CLOCK_REALTIME : CLOCK_MONOTONIC, until);
  return original(condition, mutex, &real);
}

int pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock,
                           const struct timespec *until) {
  static int (*original)(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *);
  if (!original) original = next("pthread_cond_clockwait");
  struct timespec real = real_time(clock, until);
  return original(condition, mutex, clock, &real);
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until) {
  static int (*original)(sem_t *, const struct timespec *);
  if (!original) original = next("sem_timedwait");
  struct timespec real = real_time(CLOCK_REALTIME, until);
  return original(semaphore, &real);
}

int sem_clockwait(sem_t *restrict semaphore, clockid_t clock, const struct timespec *restrict until) {
  static int (*original)(sem_t *, clockid_t, const struct timespec *);
  if (!original) original = next("sem_clockwait");
  struct timespec real = real_time(clock, until);
  return original(semaphore, clock, &real);
}
