// platform.h on Windows, by kernel32 alone (and what the C library gives everywhere).

#if defined(_WIN32)

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <stdlib.h>
#include <string.h>

#include "platform.h"

// The UTF-16 text of UTF-8, for free().
static wchar_t* widen(const char* text) {
  int length = MultiByteToWideChar(CP_UTF8, 0, text, -1, NULL, 0);
  wchar_t* wide = length > 0 ? malloc((size_t)length * sizeof(wchar_t)) : NULL;
  if (wide) MultiByteToWideChar(CP_UTF8, 0, text, -1, wide, length);
  return wide;
}

static char* narrow(const wchar_t* wide) {
  int length = WideCharToMultiByte(CP_UTF8, 0, wide, -1, NULL, 0, NULL, NULL);
  char* text = length > 0 ? malloc((size_t)length) : NULL;
  if (text) WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, length, NULL, NULL);
  return text;
}

void mutex_prepare(Mutex* mutex) {
  InitializeSRWLock((SRWLOCK*)&mutex->state);
}

void mutex_lock(Mutex* mutex) {
  AcquireSRWLockExclusive((SRWLOCK*)&mutex->state);
}

void mutex_unlock(Mutex* mutex) {
  ReleaseSRWLockExclusive((SRWLOCK*)&mutex->state);
}

void condition_prepare(Condition* condition) {
  InitializeConditionVariable((CONDITION_VARIABLE*)&condition->state);
}

void condition_wait(Condition* condition, Mutex* mutex) {
  SleepConditionVariableSRW((CONDITION_VARIABLE*)&condition->state, (SRWLOCK*)&mutex->state,
                            INFINITE, 0);
}

void condition_wake_all(Condition* condition) {
  WakeAllConditionVariable((CONDITION_VARIABLE*)&condition->state);
}

void* library_open(const char* path, Text* why) {
  wchar_t* wide = widen(path);
  // a library named with its folder finds its own libraries (nvrtc-builtins) in that folder
  DWORD flags = strpbrk(path, "\\/") ? LOAD_WITH_ALTERED_SEARCH_PATH : 0;
  HMODULE library = wide ? LoadLibraryExW(wide, NULL, flags) : NULL;
  if (!library && why) text_add(why, "LoadLibrary error %lu", GetLastError());
  free(wide);
  return library;
}

void* library_loaded(const char* name) {
  wchar_t* wide = widen(name);
  HMODULE library = NULL;
  if (wide) GetModuleHandleExW(0, wide, &library);
  free(wide);
  return library;
}

void* library_symbol(void* library, const char* name) {
  return (void*)(uintptr_t)GetProcAddress(library, name);
}

void library_close(void* library) {
  FreeLibrary(library);
}

void library_path(void* library, void* symbol, Text* path) {
  (void)symbol;
  wchar_t wide[4096];
  DWORD length = GetModuleFileNameW(library, wide, sizeof(wide) / sizeof(wide[0]));
  if (length == 0) return;
  char* text = narrow(wide);
  if (text) text_add(path, "%s", text);
  free(text);
}

char* environment_copy(const char* name) {
  wchar_t* wide = widen(name);
  DWORD length = wide ? GetEnvironmentVariableW(wide, NULL, 0) : 0;
  wchar_t* value = length > 1 ? malloc(length * sizeof(wchar_t)) : NULL;
  char* text = NULL;
  if (value && GetEnvironmentVariableW(wide, value, length) < length) text = narrow(value);
  free(value);
  free(wide);
  return text;
}

void folder_visit(const char* folder, void (*visit)(void* context, const char* name),
                  void* context) {
  Text pattern = {0};
  text_add(&pattern, "%s\\*", folder);
  wchar_t* wide = widen(text_get(&pattern));
  text_clear(&pattern);
  WIN32_FIND_DATAW entry;
  HANDLE listing = wide ? FindFirstFileW(wide, &entry) : INVALID_HANDLE_VALUE;
  free(wide);
  if (listing == INVALID_HANDLE_VALUE) return;
  do {
    char* name = narrow(entry.cFileName);
    if (name) visit(context, name);
    free(name);
  } while (FindNextFileW(listing, &entry));
  FindClose(listing);
}

bool folder_create(const char* folder) {
  wchar_t* path = widen(folder);
  if (!path) return false;
  for (wchar_t* at = path + 1; *at; at++) {
    if (*at != L'/' && *at != L'\\') continue;
    wchar_t separator = *at;
    *at = 0;
    CreateDirectoryW(path, NULL);
    *at = separator;
  }
  bool made = CreateDirectoryW(path, NULL) || GetLastError() == ERROR_ALREADY_EXISTS;
  free(path);
  return made;
}

bool file_exists(const char* path) {
  wchar_t* wide = widen(path);
  bool found = wide && GetFileAttributesW(wide) != INVALID_FILE_ATTRIBUTES;
  free(wide);
  return found;
}

unsigned char* file_read(const char* path, size_t limit, size_t* bytes) {
  wchar_t* wide = widen(path);
  HANDLE file = wide ? CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, NULL,
                                   OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL)
                     : INVALID_HANDLE_VALUE;
  free(wide);
  if (file == INVALID_HANDLE_VALUE) return NULL;
  LARGE_INTEGER size;
  unsigned char* data = NULL;
  if (GetFileSizeEx(file, &size) && (uint64_t)size.QuadPart <= limit) {
    data = malloc((size_t)size.QuadPart + 1);
  }
  size_t length = 0;
  while (data && length < (size_t)size.QuadPart) {
    DWORD got = 0, wanted = 1u << 20;
    if (wanted > (size_t)size.QuadPart - length) wanted = (DWORD)((size_t)size.QuadPart - length);
    if (ReadFile(file, data + length, wanted, &got, NULL) && got > 0) {
      length += got;
    } else {
      free(data);
      data = NULL;
    }
  }
  CloseHandle(file);
  *bytes = length;
  return data;
}

bool file_write_new(const char* path, const void* const* parts, const size_t* sizes, int count) {
  wchar_t* wide = widen(path);
  HANDLE file =
      wide ? CreateFileW(wide, GENERIC_WRITE, 0, NULL, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, NULL)
           : INVALID_HANDLE_VALUE;
  bool written = file != INVALID_HANDLE_VALUE;
  for (int k = 0; written && k < count; k++) {
    for (size_t at = 0; written && at < sizes[k];) {
      DWORD put = 0, wanted = 1u << 20;
      if (wanted > sizes[k] - at) wanted = (DWORD)(sizes[k] - at);
      const unsigned char* part = parts[k];
      written = WriteFile(file, part + at, wanted, &put, NULL) && put > 0;
      at += put;
    }
  }
  if (file != INVALID_HANDLE_VALUE) {
    if (!CloseHandle(file)) written = false;
    if (!written) DeleteFileW(wide);
  }
  free(wide);
  return written;
}

bool file_replace(const char* from, const char* to) {
  wchar_t *source = widen(from), *target = widen(to);
  bool moved = source && target && MoveFileExW(source, target, MOVEFILE_REPLACE_EXISTING);
  free(source);
  free(target);
  return moved;
}

void file_remove(const char* path) {
  wchar_t* wide = widen(path);
  if (wide) DeleteFileW(wide);
  free(wide);
}

uint64_t process_number(void) {
  return GetCurrentProcessId();
}

uint64_t clock_nanoseconds(void) {
  LARGE_INTEGER count, frequency;
  QueryPerformanceCounter(&count);
  QueryPerformanceFrequency(&frequency);
  return (uint64_t)((double)count.QuadPart * 1e9 / (double)frequency.QuadPart);
}

#endif
