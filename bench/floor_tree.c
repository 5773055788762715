/* The least that the kernel lets any program do for a tree of files to several volumes: two threads take a folder each, read
   its files into half a MiB that stays in the processor's cache, and write that to every volume. Each file gets the three blocks
   of a pax header (zeros) and is padded to 512 bytes, as in an archive; each is looked at by one fstat. No name, no attribute,
   no order, no digest, no label, no catalog: nothing could be restored from what it writes.
   cc -O2 -pthread floor_tree.c -o floor_tree; floor_tree TREE OUTPUT... */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER = 512 << 10, BLOCK = 512, HEADER = 3 * BLOCK, OUTPUTS = 16, THREADS = 2 };

static char **folders;
static int count, outputs, out[OUTPUTS];
static atomic_int taken;
static atomic_long end;

static void die(const char *what) {
  perror(what);
  exit(1);
}

/* Every folder of the tree, the top one included. */
static void list(const char *path) {
  static int room;
  if (count == room && !(folders = realloc(folders, (room = room * 2 + 1024) * sizeof *folders))) die("realloc");
  folders[count++] = strdup(path);
  DIR *open = opendir(path);
  if (!open) die(path);
  for (struct dirent *entry; (entry = readdir(open));) {
    char below[4096];
    if (entry->d_type != DT_DIR || !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
    snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
    list(below);
  }
  closedir(open);
}

static void put(const char *buffer, size_t size) {
  long at = atomic_fetch_add(&end, size);
  for (int i = 0; i < outputs; i++)
    for (size_t done = 0; done < size;) {
      ssize_t wrote = pwrite(out[i], buffer + done, size - done, at + done);
      if (wrote < 0) die("pwrite");
      done += wrote;
    }
}

static void *work(void *unused) {
  char *buffer = aligned_alloc(4096, BUFFER);
  size_t used = 0;
  (void)unused;
  if (!buffer) die("aligned_alloc");
  for (int n; (n = atomic_fetch_add(&taken, 1)) < count;) {
    DIR *open = opendir(folders[n]);
    if (!open) die(folders[n]);
    for (struct dirent *entry; (entry = readdir(open));) {
      struct stat status;
      if (entry->d_type != DT_REG) continue;
      int in = openat(dirfd(open), entry->d_name, O_RDONLY | O_NOFOLLOW);
      if (in < 0 || fstat(in, &status)) die(entry->d_name);
      if (used + HEADER > BUFFER) put(buffer, used), used = 0;
      memset(buffer + used, 0, HEADER);
      used += HEADER;
      for (off_t left = status.st_size; left > 0;) {
        if (used == BUFFER) put(buffer, used), used = 0;
        size_t most = BUFFER - used < (size_t)left ? BUFFER - used : (size_t)left;
        ssize_t got = read(in, buffer + used, most);
        if (got <= 0) die(entry->d_name);
        used += got;
        left -= got;
      }
      size_t padding = (BLOCK - used % BLOCK) % BLOCK;
      memset(buffer + used, 0, padding);
      used += padding;
      close(in);
    }
    closedir(open);
  }
  put(buffer, used);
  return NULL;
}

int main(int words, char **word) {
  pthread_t threads[THREADS];
  outputs = words - 2;
  if (outputs < 1 || outputs > OUTPUTS) die("floor_tree TREE OUTPUT...");
  for (int i = 0; i < outputs; i++)
    if ((out[i] = open(word[i + 2], O_WRONLY | O_CREAT | O_TRUNC, 0600)) < 0) die(word[i + 2]);
  list(word[1]);
  for (int i = 0; i < THREADS; i++)
    if (pthread_create(&threads[i], NULL, work, NULL)) die("pthread_create");
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < outputs; i++)
    if (fsync(out[i]) || close(out[i])) die(word[i + 2]);
  return 0;
}
