// SHA-256 (FIPS 180-4).

#ifndef PF_SHA256_H
#define PF_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32

typedef struct Sha256 {
  uint32_t state[8];
  uint64_t bytes;
  unsigned char block[64];
} Sha256;

void sha256_begin(Sha256* hash);
void sha256_add(Sha256* hash, const void* data, size_t bytes);
void sha256_end(Sha256* hash, unsigned char digest[SHA256_BYTES]);

#endif
