// platform.h on Linux and other POSIX systems.

#if !defined(_WIN32)

#define _GNU_SOURCE
#include "platform.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void mutex_prepare(Mutex* mutex) {
  pthread_mutex_init(&mutex->state, NULL);
}

void mutex_lock(Mutex* mutex) {
  pthread_mutex_lock(&mutex->state);
}

void mutex_unlock(Mutex* mutex) {
  pthread_mutex_unlock(&mutex->state);
}

void condition_prepare(Condition* condition) {
  pthread_cond_init(&condition->state, NULL);
}

void condition_wait(Condition* condition, Mutex* mutex) {
  pthread_cond_wait(&condition->state, &mutex->state);
}

void condition_wake_all(Condition* condition) {
  pthread_cond_broadcast(&condition->state);
}

void* library_open(const char* path, Text* why) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library && why) {
    const char* reason = dlerror();
    text_add(why, "%s", reason ? reason : "dlopen gave no reason");
  }
  return library;
}

void* library_loaded(const char* name) {
  return dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
}

void* library_symbol(void* library, const char* name) {
  return dlsym(library, name);
}

void library_close(void* library) {
  dlclose(library);
}

void library_path(void* library, void* symbol, Text* path) {
  (void)library;
  Dl_info info;
  if (!dladdr(symbol, &info) || !info.dli_fname) return;
  char* resolved = realpath(info.dli_fname, NULL);
  text_add(path, "%s", resolved ? resolved : info.dli_fname);
  free(resolved);
}

char* environment_copy(const char* name) {
  const char* value = getenv(name);
  return value && *value ? strdup(value) : NULL;
}

void folder_visit(const char* folder, void (*visit)(void* context, const char* name),
                  void* context) {
  DIR* listing = opendir(folder);
  if (!listing) return;
  for (struct dirent* entry; (entry = readdir(listing));) visit(context, entry->d_name);
  closedir(listing);
}

bool folder_create(const char* folder) {
  char* path = strdup(folder);
  if (!path) return false;
  for (char* at = path + 1; *at; at++) {
    if (*at != '/') continue;
    *at = 0;
    mkdir(path, 0777);
    *at = '/';
  }
  bool made = mkdir(path, 0777) == 0 || errno == EEXIST;
  free(path);
  return made;
}

bool file_exists(const char* path) {
  return access(path, F_OK) == 0;
}

unsigned char* file_read(const char* path, size_t limit, size_t* bytes) {
  FILE* file = fopen(path, "rb");
  if (!file) return NULL;
  unsigned char* data = NULL;
  size_t length = 0, capacity = 0;
  for (;;) {
    if (length == capacity) {
      capacity = capacity ? 2 * capacity : 1 << 16;
      unsigned char* larger = capacity <= 2 * limit ? realloc(data, capacity) : NULL;
      if (!larger) break;
      data = larger;
    }
    size_t got = fread(data + length, 1, capacity - length, file);
    length += got;
    if (got > 0) continue;
    if (ferror(file) || length > limit) break;
    fclose(file);
    *bytes = length;
    return data;
  }
  fclose(file);
  free(data);
  return NULL;
}

static bool write_all(int file, const unsigned char* data, size_t bytes) {
  while (bytes > 0) {
    ssize_t written = write(file, data, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    data += written;
    bytes -= (size_t)written;
  }
  return true;
}

bool file_write_new(const char* path, const void* const* parts, const size_t* sizes, int count) {
  int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file < 0) return false;
  bool written = true;
  for (int k = 0; written && k < count; k++) written = write_all(file, parts[k], sizes[k]);
  // close() tells of a full disk where the file system wrote late
  if (close(file) != 0) written = false;
  if (!written) unlink(path);
  return written;
}

bool file_replace(const char* from, const char* to) {
  return rename(from, to) == 0;
}

void file_remove(const char* path) {
  unlink(path);
}

uint64_t process_number(void) {
  return (uint64_t)getpid();
}

uint64_t clock_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif
