/* A device of a fixed rate: with LD_PRELOAD, each write to a file below a folder lasts as long as the device would need.
 *
 *     cc -O2 -shared -fPIC -pthread bench/pace.c -o pace.so -ldl
 *     TCC_PACE=/folder/R1=50000000:/folder/R2=5000000 LD_PRELOAD=./pace.so tcc run plan.tc
 *
 * Rates are bytes a second. Each folder is one device, whatever number of its files is written. A device that was idle
 * has a credit of 20 ms, so that the kernel's late wake-ups do not add up. Reads are not paced.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define DEVICES 64
#define CREDIT 0.02

static struct { char folder[4096]; size_t length; double rate, busy; } device[DEVICES];
static int devices;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

__attribute__((constructor)) static void begin(void) {
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    const char *text = getenv("TCC_PACE");
    char *copy = strdup(text ? text : ""), *rest = copy, *one;
    while ((one = strsep(&rest, ":")) != NULL && devices < DEVICES) {
        char *equals = strrchr(one, '=');
        if (equals == NULL || equals - one >= 4096)
            continue;
        *equals = 0;
        strcpy(device[devices].folder, one);
        device[devices].length = strlen(one);
        device[devices++].rate = atof(equals + 1);
    }
    free(copy);
}

/* When the device of file FD will have taken COUNT bytes that it gets now; 0 where FD lies on no such device. */
static double taken_by(int fd, ssize_t count) {
    char link[64], path[4096];
    if (devices == 0 || count <= 0)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    for (int i = 0; i < devices; i++)
        if (!strncmp(path, device[i].folder, device[i].length) && path[device[i].length] == '/') {
            pthread_mutex_lock(&lock);
            double start = now() - CREDIT;
            if (start < device[i].busy)
                start = device[i].busy;
            double end = device[i].busy = start + count / device[i].rate;
            pthread_mutex_unlock(&lock);
            return end;
        }
    return 0;
}

static void sleep_until(double end) {
    struct timespec t = {(time_t)end, (long)((end - (time_t)end) * 1e9)};
    if (end > now())
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0)
            ;
}

ssize_t write(int fd, const void *bytes, size_t count) {
    ssize_t done = real_write(fd, bytes, count);
    sleep_until(taken_by(fd, done));
    return done;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t at) {
    ssize_t done = real_pwrite(fd, bytes, count, at);
    sleep_until(taken_by(fd, done));
    return done;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    return pwrite64(fd, bytes, count, at);
}
