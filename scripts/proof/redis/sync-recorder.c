// Stands between a server and the C library: after each sync of an append-only file it writes down, beside that file, how many
// bytes of it are surely on the disk, and when the sync began and ended (ms since 1970).
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * 1000.0 + now.tv_nsec / 1000000.0;
}

static int recorded(const char *name, int fd) {
  static const char ending[] = ".incr.aof";
  char link[64], path[PATH_MAX + 16], line[96];
  struct stat before;
  int (*sync_file)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
  // What is written while a sync runs may not be part of it.
  int known = fstat(fd, &before) == 0;
  double began = now_ms();
  int result = sync_file(fd);
  if (result != 0 || !known) return result;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, PATH_MAX);
  if (length < (ssize_t)sizeof ending || memcmp(path + length - (sizeof ending - 1), ending, sizeof ending - 1) != 0)
    return result;
  strcpy(path + length, ".synced");
  int log = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (log < 0) return result;
  int size = snprintf(line, sizeof line, "%lld %.3f %.3f\n", (long long)before.st_size, began, now_ms());
  if (write(log, line, size) != size) result = -1;
  close(log);
  return result;
}

int fdatasync(int fd) { return recorded("fdatasync", fd); }
int fsync(int fd) { return recorded("fsync", fd); }
