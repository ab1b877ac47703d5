// See text.h.

#include "text.h"

#include <stdio.h>
#include <stdlib.h>

static int reserve(Text* text, size_t more) {
  size_t wanted = text->length + more + 1;
  if (wanted <= text->capacity) return 1;
  size_t capacity = text->capacity ? text->capacity : 128;
  while (capacity < wanted) capacity *= 2;
  char* data = realloc(text->data, capacity);
  if (!data) return 0;
  text->data = data;
  text->capacity = capacity;
  return 1;
}

void text_add_list(Text* text, const char* format, va_list arguments) {
  va_list again;
  va_copy(again, arguments);
  int length = vsnprintf(NULL, 0, format, again);
  va_end(again);
  if (length < 0 || !reserve(text, (size_t)length)) return;
  vsnprintf(text->data + text->length, (size_t)length + 1, format, arguments);
  text->length += (size_t)length;
}

void text_add(Text* text, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  text_add_list(text, format, arguments);
  va_end(arguments);
}

const char* text_get(const Text* text) {
  return text->data ? text->data : "";
}

void text_clear(Text* text) {
  free(text->data);
  *text = (Text){0};
}
