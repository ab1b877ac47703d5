// The folder where compiled binaries are kept. Nothing that goes wrong in it is an error: what
// cannot be read is compiled again, what cannot be written is compiled again next time.

#ifndef PF_CACHE_H
#define PF_CACHE_H

#include <stdbool.h>
#include <stddef.h>

#include "sha256.h"
#include "text.h"

// Adds a text with its length, so that no two lists of texts give one key.
void cache_key_add(Sha256* key, const char* text);
// The binary of a key for free(), with a 0 behind it; null where there is none that is whole.
unsigned char* cache_read(const char* folder, const unsigned char key[SHA256_BYTES], size_t* bytes);
// Writes an entry; where that fails adds why to `note`.
void cache_write(const char* folder, const unsigned char key[SHA256_BYTES],
                 const unsigned char* image, size_t bytes, Text* note);

#endif
