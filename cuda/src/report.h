// Filling the caller's report.

#ifndef PF_REPORT_H
#define PF_REPORT_H

#include "pairfold_cuda.h"
#include "text.h"

pf_status report_ok(pf_report* report);
// A result with text: an error, or PF_OK with something to say.
pf_status report_text(pf_report* report, pf_status status, int32_t code, const char* format, ...)
    PRINTF_LIKE(4, 5);
// An argument out of range.
pf_status report_invalid(pf_report* report, const char* format, ...) PRINTF_LIKE(2, 3);
// No memory of the host for the shim's own lists.
pf_status report_no_host_memory(pf_report* report, const char* function);

#endif
