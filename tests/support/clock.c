/* A preloaded library under which a program's clocks are other ones: so many nanoseconds are added to the wall clock, and
 * so many to the clock of the time since boot, as the file TCC_CLOCK says at every call (two integers of 64 bits). All
 * other clocks, the kernel's own waits and the times of files stay what they are. (libfaketime moves these, too: with it
 * sleeps fail with EINVAL now and then, and waits with a timeout take a tenth of a second of work.)
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *ahead; /* of the wall clock, of the clock since boot */

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("TCC_CLOCK");
  int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  void *at = fd < 0 ? MAP_FAILED : mmap(0, 16, PROT_READ, MAP_SHARED, fd, 0);
  if (fd >= 0) close(fd);
  if (at != MAP_FAILED) ahead = at;
}

static void add(struct timespec *t, int64_t nanoseconds) {
  t->tv_sec += nanoseconds / 1000000000;
  t->tv_nsec += nanoseconds % 1000000000;
  if (t->tv_nsec >= 1000000000) t->tv_sec++, t->tv_nsec -= 1000000000;
  if (t->tv_nsec < 0) t->tv_sec--, t->tv_nsec += 1000000000;
}

int clock_gettime(clockid_t clock, struct timespec *t) {
  long failed = syscall(SYS_clock_gettime, clock, t);
  if (failed || !ahead) return (int)failed;
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI) add(t, ahead[0]);
  if (clock == CLOCK_BOOTTIME) add(t, ahead[1]);
  return 0;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone) {
  struct timespec now;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
  t->tv_sec = now.tv_sec;
  t->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *t) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (t) *t = now.tv_sec;
  return now.tv_sec;
}

int timespec_get(struct timespec *t, int base) {
  return base == TIME_UTC && !clock_gettime(CLOCK_REALTIME, t) ? base : 0;
}
