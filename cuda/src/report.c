// See report.h. Text that does not fit is cut between two characters and says so at its end.

#include "report.h"

#include <string.h>

static const char CUT[] = "\n[cut]";

static void write_text(pf_report* report, const char* text, size_t length) {
  if (report->capacity == 0) return;
  size_t room = report->capacity - 1, kept = length;
  const char* end = "";
  if (length > room) {
    if (room >= sizeof(CUT) - 1) end = CUT;
    kept = room - strlen(end);
    // a byte 10xxxxxx continues a character
    while (kept > 0 && ((unsigned char)text[kept] & 0xC0) == 0x80) kept--;
  }
  memcpy(report->text, text, kept);
  memcpy(report->text + kept, end, strlen(end));
  report->length = (uint32_t)(kept + strlen(end));
  report->text[report->length] = 0;
}

static pf_status fill(pf_report* report, pf_status status, int32_t code, const char* format,
                      va_list arguments) {
  if (!report) return status;
  report->status = status;
  report->code = code;
  report->length = 0;
  Text text = {0};
  text_add_list(&text, format, arguments);
  write_text(report, text_get(&text), text.length);
  text_clear(&text);
  return status;
}

pf_status report_ok(pf_report* report) {
  if (report) {
    report->status = PF_OK;
    report->code = 0;
    report->length = 0;
    if (report->capacity) report->text[0] = 0;
  }
  return PF_OK;
}

pf_status report_text(pf_report* report, pf_status status, int32_t code, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fill(report, status, code, format, arguments);
  va_end(arguments);
  return status;
}

pf_status report_invalid(pf_report* report, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fill(report, PF_INVALID, 0, format, arguments);
  va_end(arguments);
  return PF_INVALID;
}

pf_status report_no_host_memory(pf_report* report, const char* function) {
  return report_text(report, PF_OUT_OF_MEMORY, 0, "%s: the host has no memory left", function);
}
