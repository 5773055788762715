/* The least that the kernel lets any program do for one stream to several files: one thread reads into a ring of
   sixteen slots of 1 MiB, one thread a file writes each slot. No digest, no label, no catalog.
   cc -O2 -pthread floor.c -o floor; floor INPUT OUTPUT... */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { DEPTH = 16, SLOT = 1 << 20, OUTPUTS = 16 };

static char *memory;
static ssize_t sizes[DEPTH];
static long published, taken[OUTPUTS];
static int outputs, ended;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t space = PTHREAD_COND_INITIALIZER, data = PTHREAD_COND_INITIALIZER;

static long slowest(void) {
  long least = taken[0];
  for (int i = 1; i < outputs; i++)
    if (taken[i] < least) least = taken[i];
  return least;
}

static void die(const char *what) {
  perror(what);
  exit(1);
}

struct output { int number; const char *path; };

static void *writer(void *given) {
  struct output *output = given;
  int fd = open(output->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd < 0) die(output->path);
  for (long next = 0;; next++) {
    pthread_mutex_lock(&lock);
    while (published == next && !ended) pthread_cond_wait(&data, &lock);
    if (published == next) {
      pthread_mutex_unlock(&lock);
      break;
    }
    pthread_mutex_unlock(&lock);
    char *slot = memory + (next % DEPTH) * SLOT;
    for (ssize_t done = 0, size = sizes[next % DEPTH]; done < size;) {
      ssize_t wrote = write(fd, slot + done, size - done);
      if (wrote < 0) die(output->path);
      done += wrote;
    }
    pthread_mutex_lock(&lock);
    taken[output->number] = next + 1;
    if (published - slowest() <= DEPTH / 2) pthread_cond_signal(&space);
    pthread_mutex_unlock(&lock);
  }
  if (fsync(fd) || close(fd)) die(output->path);
  return NULL;
}

int main(int count, char **words) {
  pthread_t threads[OUTPUTS];
  struct output given[OUTPUTS];
  int in = count > 2 ? open(words[1], O_RDONLY) : -1;
  outputs = count - 2;
  if (in < 0 || outputs > OUTPUTS) die("floor INPUT OUTPUT...");
  memory = mmap(NULL, (size_t)DEPTH * SLOT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) die("mmap");
  for (int i = 0; i < outputs; i++) {
    given[i] = (struct output){i, words[i + 2]};
    if (pthread_create(&threads[i], NULL, writer, &given[i])) die("pthread_create");
  }
  for (;;) {
    pthread_mutex_lock(&lock);
    if (published - slowest() == DEPTH)
      while (published - slowest() > DEPTH / 2) pthread_cond_wait(&space, &lock);
    pthread_mutex_unlock(&lock);
    ssize_t size = 0, got;
    char *slot = memory + (published % DEPTH) * SLOT;
    while (size < SLOT && (got = read(in, slot + size, SLOT - size)) > 0) size += got;
    pthread_mutex_lock(&lock);
    if (size) {
      sizes[published % DEPTH] = size;
      published++;
    } else {
      ended = 1;
    }
    pthread_cond_broadcast(&data);
    pthread_mutex_unlock(&lock);
    if (!size) break;
  }
  for (int i = 0; i < outputs; i++) pthread_join(threads[i], NULL);
  return 0;
}
