// See cache.h. An entry: magic, the key, the binary's SHA-256, its length (8 bytes, low first), the
// binary. It is written under a name of its own and then renamed: readers see whole entries.

#include "cache.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "platform.h"

#define MAGIC "PAIRFOLD CUBIN 1"
#define MAGIC_BYTES 16
#define HEADER_BYTES (MAGIC_BYTES + SHA256_BYTES + SHA256_BYTES + 8)
#define MOST_BYTES ((size_t)1 << 30)

void cache_key_add(Sha256* key, const char* text) {
  uint64_t length = strlen(text);
  unsigned char prefix[8];
  for (int k = 0; k < 8; k++) prefix[k] = (unsigned char)(length >> 8 * k);
  sha256_add(key, prefix, 8);
  sha256_add(key, text, (size_t)length);
}

static void make_header(const unsigned char key[SHA256_BYTES], const unsigned char* image,
                        size_t bytes, unsigned char header[HEADER_BYTES]) {
  Sha256 hash;
  sha256_begin(&hash);
  sha256_add(&hash, image, bytes);
  memcpy(header, MAGIC, MAGIC_BYTES);
  memcpy(header + MAGIC_BYTES, key, SHA256_BYTES);
  sha256_end(&hash, header + MAGIC_BYTES + SHA256_BYTES);
  for (int k = 0; k < 8; k++) {
    header[HEADER_BYTES - 8 + k] = (unsigned char)((uint64_t)bytes >> 8 * k);
  }
}

static void entry_path(const char* folder, const unsigned char key[SHA256_BYTES], Text* path) {
  text_add(path, "%s%s", folder, FOLDER_SEPARATOR);
  for (int k = 0; k < SHA256_BYTES; k++) text_add(path, "%02x", key[k]);
  text_add(path, ".cubin");
}

unsigned char* cache_read(const char* folder, const unsigned char key[SHA256_BYTES],
                          size_t* bytes) {
  Text path = {0};
  entry_path(folder, key, &path);
  size_t length = 0;
  unsigned char* file = file_read(text_get(&path), MOST_BYTES, &length);
  text_clear(&path);
  if (!file || length < HEADER_BYTES) {
    free(file);
    return NULL;
  }
  unsigned char header[HEADER_BYTES];
  size_t size = length - HEADER_BYTES;
  make_header(key, file + HEADER_BYTES, size, header);
  unsigned char* image = memcmp(header, file, HEADER_BYTES) == 0 ? malloc(size + 1) : NULL;
  if (image) {
    memcpy(image, file + HEADER_BYTES, size);
    image[size] = 0;
    *bytes = size;
  }
  free(file);
  return image;
}

void cache_write(const char* folder, const unsigned char key[SHA256_BYTES],
                 const unsigned char* image, size_t bytes, Text* note) {
  static atomic_uint serial;
  if (!folder_create(folder)) {
    text_add(note, "the cache folder %s cannot be made\n", folder);
    return;
  }
  unsigned char header[HEADER_BYTES];
  make_header(key, image, bytes, header);
  Text path = {0}, temporary = {0};
  entry_path(folder, key, &path);
  // no other thread or process writes under this name
  text_add(&temporary, "%s.%llu.%u.tmp", text_get(&path), (unsigned long long)process_number(),
           (unsigned)atomic_fetch_add(&serial, 1));
  const void* parts[] = {header, image};
  size_t sizes[] = {HEADER_BYTES, bytes};
  if (!file_write_new(text_get(&temporary), parts, sizes, 2)) {
    text_add(note, "the cache folder %s cannot be written to\n", folder);
  } else if (!file_replace(text_get(&temporary), text_get(&path))) {
    file_remove(text_get(&temporary));
    // on Windows this is so while another process reads the entry, which is then as good
    text_add(note, "the cache entry %s cannot be replaced\n", text_get(&path));
  }
  text_clear(&path);
  text_clear(&temporary);
}
