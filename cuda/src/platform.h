// What differs between POSIX and Windows: locks, libraries, environment, files. All text is UTF-8.

#ifndef PF_PLATFORM_H
#define PF_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

#if defined(_WIN32)
typedef struct Mutex {
  void* state;  // an SRWLOCK
} Mutex;
typedef struct Condition {
  void* state;  // a CONDITION_VARIABLE
} Condition;
#define MUTEX_INITIALIZER {NULL}
#define FOLDER_SEPARATOR "\\"
#else
#include <pthread.h>
typedef struct Mutex {
  pthread_mutex_t state;
} Mutex;
typedef struct Condition {
  pthread_cond_t state;
} Condition;
#define MUTEX_INITIALIZER {PTHREAD_MUTEX_INITIALIZER}
#define FOLDER_SEPARATOR "/"
#endif

void mutex_prepare(Mutex* mutex);
void mutex_lock(Mutex* mutex);
void mutex_unlock(Mutex* mutex);
void condition_prepare(Condition* condition);
void condition_wait(Condition* condition, Mutex* mutex);
void condition_wake_all(Condition* condition);

// Opens a library by name or path; null adds the system's reason to `why`.
void* library_open(const char* path, Text* why);
// The library of that name if the process has it loaded, held until closed; else null.
void* library_loaded(const char* name);
void* library_symbol(void* library, const char* name);
void library_close(void* library);
// Adds the resolved path of the file that a symbol of the library came from.
void library_path(void* library, void* symbol, Text* path);

// A copy of a variable of the environment for free(); null where it is unset or empty.
char* environment_copy(const char* name);

// Calls `visit` with the name of every entry of a folder; silent where there is no such folder.
void folder_visit(const char* folder, void (*visit)(void* context, const char* name),
                  void* context);
// Creates a folder and those above it; says whether it is there now.
bool folder_create(const char* folder);

bool file_exists(const char* path);
// The whole file for free(), at most `limit` bytes; null where it cannot be read.
unsigned char* file_read(const char* path, size_t limit, size_t* bytes);
// Creates a file that was not there and writes it; on failure nothing stays behind.
bool file_write_new(const char* path, const void* const* parts, const size_t* sizes, int count);
// Puts a file in the place of another at once.
bool file_replace(const char* from, const char* to);
void file_remove(const char* path);

uint64_t process_number(void);
uint64_t clock_nanoseconds(void);

#endif
