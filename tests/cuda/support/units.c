// Tests the shim's parts that need no driver: text, SHA-256, handles, the sizes of the allocator,
// files, and the cache folder. Prints what fails; argument 1 is an empty folder. Runs under
// emulators of other platforms.

#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if !defined(_WIN32)
#include <signal.h>
#include <sys/resource.h>
#endif

#include "cache.h"
#include "folders.h"
#include "handles.h"
#include "platform.h"
#include "pool.h"
#include "report.h"

static int failures = 0, checks = 0;

#define CHECK(condition)                                           \
  do {                                                             \
    checks++;                                                      \
    if (!(condition)) {                                            \
      failures++;                                                  \
      printf("line %d: %s does not hold\n", __LINE__, #condition); \
    }                                                              \
  } while (0)

static void test_text(void) {
  Text text = {0};
  CHECK(strcmp(text_get(&text), "") == 0);
  for (int k = 0; k < 1000; k++) text_add(&text, "%d,", k);
  CHECK(text.length == 3890);
  CHECK(strncmp(text_get(&text), "0,1,2,", 6) == 0);
  text_clear(&text);
  CHECK(text.data == NULL && text.length == 0);
}

static void test_report(void) {
  pf_report* report = calloc(1, sizeof(pf_report) + 16);
  report->capacity = 16;
  CHECK(report_text(report, PF_DRIVER, 7, "short") == PF_DRIVER);
  CHECK(report->status == PF_DRIVER && report->code == 7 && report->length == 5);
  // cut before an e with an accent (2 bytes), never within it
  report_text(report, PF_DRIVER, 0, "12345678\xC3\xA9 and more than fits");
  CHECK(report->length == 14 && strcmp(report->text, "12345678\n[cut]") == 0);
  report->capacity = 0;
  CHECK(report_invalid(report, "text") == PF_INVALID && report->length == 0);
  CHECK(report_ok(report) == PF_OK && report->status == PF_OK);
  CHECK(report_text(NULL, PF_IO, 0, "text") == PF_IO);
  free(report);
}

static void check_sha(const char* text, int times, const char* expected) {
  Sha256 hash;
  unsigned char digest[SHA256_BYTES];
  char shown[2 * SHA256_BYTES + 1];
  sha256_begin(&hash);
  for (int k = 0; k < times; k++) sha256_add(&hash, text, strlen(text));
  sha256_end(&hash, digest);
  for (int k = 0; k < SHA256_BYTES; k++) sprintf(shown + 2 * k, "%02x", digest[k]);
  CHECK(strcmp(shown, expected) == 0);
}

// The vectors of FIPS 180-4.
static void test_sha256(void) {
  check_sha("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  check_sha("abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  check_sha("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  check_sha("aaaaaaaaaa", 100000,
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void test_handles(void) {
  Handles handles = {0};
  int objects[200];
  uint64_t given[200];
  for (int k = 0; k < 200; k++) given[k] = handles_add(&handles, HANDLE_EVENT, &objects[k]);
  for (int k = 0; k < 200; k++) {
    CHECK(handles_find(&handles, HANDLE_EVENT, given[k]) == &objects[k]);
  }
  CHECK(handles_find(&handles, HANDLE_STREAM, given[3]) == NULL);
  CHECK(handles_find(&handles, HANDLE_EVENT, 0) == NULL);
  CHECK(handles_find(&handles, HANDLE_EVENT, given[3] + 1000) == NULL);
  CHECK(handles_take(&handles, HANDLE_EVENT, given[3]) == &objects[3]);
  CHECK(handles_take(&handles, HANDLE_EVENT, given[3]) == NULL);
  uint64_t again = handles_add(&handles, HANDLE_STREAM, &objects[0]);
  CHECK((uint32_t)again == (uint32_t)given[3] && again != given[3]);
  CHECK(handles_find(&handles, HANDLE_EVENT, given[3]) == NULL);
  CHECK(handles_find(&handles, HANDLE_STREAM, again) == &objects[0]);
  handles_clear(&handles);
  CHECK(handles_find(&handles, HANDLE_STREAM, again) == NULL);
}

static void test_sizes(void) {
  uint64_t last = 0;
  int last_class = -1;
  for (uint64_t bytes = 1; bytes <= (uint64_t)2 << 20; bytes += bytes < 5000 ? 1 : 97) {
    int size_class;
    uint64_t size = pool_round(bytes, &size_class);
    CHECK(size >= bytes && size % 256 == 0);
    CHECK(size_class >= 0 && size_class < POOL_CLASSES);
    CHECK(size - bytes < 256 || (size - bytes) * 4 < bytes);
    CHECK((size == last) == (size_class == last_class));
    int same;
    CHECK(pool_round(size, &same) == size && same == size_class);
    last = size;
    last_class = size_class;
  }
  int size_class;
  CHECK(pool_round(0, &size_class) == 256 && size_class == 0);
  CHECK(pool_round(((uint64_t)2 << 20) + 1, &size_class) == (uint64_t)4 << 20);
  CHECK(size_class == -1);
}

static void count_entry(void* context, const char* name) {
  if (strchr(name, '.') == NULL || strstr(name, ".cubin") || strstr(name, ".tmp")) {
    ++*(int*)context;
  }
}

static void spoil(const char* path, long at, size_t length) {
  FILE* file = fopen(path, "rb");
  unsigned char data[4096];
  size_t bytes = fread(data, 1, sizeof(data), file);
  fclose(file);
  if (at >= 0) data[at] ^= 1;
  file = fopen(path, "wb");
  fwrite(data, 1, length < bytes ? length : bytes, file);
  fclose(file);
}

static void test_cache(const char* folder) {
  unsigned char key[SHA256_BYTES] = {0xAB, 0xCD}, other[SHA256_BYTES] = {1};
  unsigned char image[1000];
  for (int k = 0; k < 1000; k++) image[k] = (unsigned char)(k * 7);
  Text below = {0}, path = {0}, foreign = {0}, note = {0};
  text_add(&below, "%s%s%s", folder, FOLDER_SEPARATOR, "a\xC3\xA9");
  text_add(&path, "%s%s%s", text_get(&below), FOLDER_SEPARATOR, "b");
  char* entries = strcpy(malloc(path.length + 1), text_get(&path));
  size_t bytes = 0;
  CHECK(cache_read(entries, key, &bytes) == NULL);
  cache_write(entries, key, image, sizeof(image), &note);
  CHECK(note.length == 0);
  unsigned char* found = cache_read(entries, key, &bytes);
  CHECK(found && bytes == sizeof(image) && memcmp(found, image, bytes) == 0 && found[bytes] == 0);
  free(found);
  CHECK(cache_read(entries, other, &bytes) == NULL);
  cache_write(entries, key, image, 500, &note);
  found = cache_read(entries, key, &bytes);
  CHECK(found && bytes == 500);
  free(found);
  int count = 0;
  folder_visit(entries, count_entry, &count);
  CHECK(count == 1);
  // another key's entry under this name, a changed byte, a short file, an empty one
  text_add(&path, "%sabcd", FOLDER_SEPARATOR);
  for (int k = 2; k < SHA256_BYTES; k++) text_add(&path, "00");
  text_add(&path, ".cubin");
  text_add(&foreign, "%s%s01", entries, FOLDER_SEPARATOR);
  for (int k = 1; k < SHA256_BYTES; k++) text_add(&foreign, "00");
  text_add(&foreign, ".cubin");
  CHECK(file_exists(text_get(&path)));
  CHECK(file_replace(text_get(&path), text_get(&foreign)));
  CHECK(!file_exists(text_get(&path)) && file_exists(text_get(&foreign)));
  CHECK(cache_read(entries, other, &bytes) == NULL);
  file_remove(text_get(&foreign));
  CHECK(!file_exists(text_get(&foreign)));
  // as a file of one's own, for fopen does not take UTF-8 everywhere
  cache_write(folder, key, image, sizeof(image), &note);
  text_clear(&path);
  text_add(&path, "%s%sabcd", folder, FOLDER_SEPARATOR);
  for (int k = 2; k < SHA256_BYTES; k++) text_add(&path, "00");
  text_add(&path, ".cubin");
  found = cache_read(folder, key, &bytes);
  CHECK(found != NULL);
  free(found);
  spoil(text_get(&path), 600, 4096);
  CHECK(cache_read(folder, key, &bytes) == NULL);
  spoil(text_get(&path), 600, 4096);
  found = cache_read(folder, key, &bytes);
  CHECK(found != NULL);
  free(found);
  spoil(text_get(&path), -1, 700);
  CHECK(cache_read(folder, key, &bytes) == NULL);
  spoil(text_get(&path), -1, 0);
  CHECK(cache_read(folder, key, &bytes) == NULL);
  CHECK(note.length == 0);
  // a file where the folder should be
  cache_write(text_get(&path), key, image, sizeof(image), &note);
  CHECK(note.length > 0);
  free(entries);
  text_clear(&below);
  text_clear(&path);
  text_clear(&foreign);
  text_clear(&note);
}

// A disk that is full after 600 bytes: nothing is written, and nothing stays behind.
static void test_full_disk(const char* folder) {
#if defined(_WIN32)
  (void)folder;
#else
  unsigned char key[SHA256_BYTES] = {7}, image[1000] = {1};
  struct rlimit before, small;
  Text path = {0}, note = {0};
  text_add(&path, "%s/full", folder);
  CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0);
  small = before;
  small.rlim_cur = 600;
  // otherwise the signal ends the process
  signal(SIGXFSZ, SIG_IGN);
  CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
  cache_write(text_get(&path), key, image, sizeof(image), &note);
  CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0);
  CHECK(strstr(text_get(&note), "cannot be written to") != NULL);
  int count = 0;
  size_t bytes = 0;
  folder_visit(text_get(&path), count_entry, &count);
  CHECK(count == 0);
  CHECK(cache_read(text_get(&path), key, &bytes) == NULL);
  text_clear(&note);
  cache_write(text_get(&path), key, image, sizeof(image), &note);
  unsigned char* found = cache_read(text_get(&path), key, &bytes);
  CHECK(found && bytes == sizeof(image) && note.length == 0);
  free(found);
  text_clear(&path);
#endif
}

typedef struct Folders {
  int count;
  bool cuda_home;
} Folders;

static bool visit_folder(void* context, const char* folder) {
  Folders* seen = context;
  seen->count++;
  if (strncmp(folder, "cuda-home", 9) == 0) seen->cuda_home = true;
  return seen->count == 3;
}

static void test_folders(void) {
  Folders seen = {0};
  char* home = environment_copy("CUDA_HOME");
  CHECK(home && strcmp(home, "cuda-home") == 0);
  free(home);
  CHECK(environment_copy("PAIRFOLD_SURELY_UNSET") == NULL);
  folders_visit(visit_folder, &seen);
  CHECK(seen.cuda_home && seen.count >= 2);
}

static void test_libraries(void) {
  Text why = {0};
  CHECK(library_open("no-such-library", &why) == NULL && why.length > 0);
  CHECK(library_loaded("no-such-library") == NULL);
  text_clear(&why);
#if defined(_WIN32)
  void* library = library_open("kernel32.dll", &why);
  void* symbol = library_symbol(library, "CloseHandle");
#else
  void* library = library_open("libc.so.6", &why);
  void* symbol = library_symbol(library, "fopen");
#endif
  CHECK(library != NULL && symbol != NULL && why.length == 0);
  library_path(library, symbol, &why);
  CHECK(why.length > 0);
  CHECK(library_symbol(library, "noSuchFunction") == NULL);
  library_close(library);
  text_clear(&why);
  uint64_t start = clock_nanoseconds();
  while (clock_nanoseconds() - start < 1000000) continue;
  CHECK(clock_nanoseconds() - start < 1000000000);
}

int main(int count, char** arguments) {
  if (count != 2) return 2;
  test_text();
  test_report();
  test_sha256();
  test_handles();
  test_sizes();
  test_cache(arguments[1]);
  test_full_disk(arguments[1]);
  test_folders();
  test_libraries();
  printf("%d checks, %d failures\n", checks, failures);
  return failures == 0 ? 0 : 1;
}
