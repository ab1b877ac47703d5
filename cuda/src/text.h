// Text that grows while it is written. Running out of memory cuts it, never fails.

#ifndef PF_TEXT_H
#define PF_TEXT_H

#include <stdarg.h>
#include <stddef.h>

#if defined(__GNUC__)
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#else
#define PRINTF_LIKE(text, first)
#endif

typedef struct Text {
  char* data;  // ends with a 0; null while nothing was written
  size_t length;
  size_t capacity;
} Text;

void text_add(Text* text, const char* format, ...) PRINTF_LIKE(2, 3);
void text_add_list(Text* text, const char* format, va_list arguments);
// What was written, never null.
const char* text_get(const Text* text);
// Forgets what was written and gives the memory back.
void text_clear(Text* text);

#endif
