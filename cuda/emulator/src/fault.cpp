// Faults of kernels: from the signal or the finding to a lost context with a message. See worker.h.

#include <signal.h>
#include <sys/mman.h>
#ifdef __linux__
#include <ucontext.h>
#endif

#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "result.h"
#include "worker.h"

namespace emulator {

void Worker::fail(int code, const void* place, int line, const char* format, ...) {
  fault_.code = code;
  fault_.place = place;
  fault_.line = line;
  fault_.block = current_->block;
  fault_.thread = current_->thread;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(fault_.text, sizeof fault_.text, format, arguments);
  va_end(arguments);
  siglongjmp(escape_, 1);
}

static std::string triple(const char* what, const PfeDim& dim) {
  return std::string(what) + " (" + std::to_string(dim.x) + "," + std::to_string(dim.y) + "," +
         std::to_string(dim.z) + ")";
}

// Back on the worker's own stack, where memory may be allocated and programs run.
void Worker::report() {
  std::string text = "kernel " + std::string(launch_.function->kernel->name) + ", " +
                     triple("block", fault_.block) + ", " + triple("thread", fault_.thread);
  std::string place = source_place(*launch_.module, fault_.place);
  if (fault_.line) place = "line " + std::to_string(fault_.line);
  if (!place.empty()) text += ", " + place;
  text += ": " + std::string(fault_.text);
  if (fault_.has_other) {
    uint64_t block = fault_.other_block;
    const PfeDim& grid = launch_.grid;
    text += "; the other is " +
            triple("block", PfeDim{(unsigned)(block % grid.x), (unsigned)(block / grid.x % grid.y),
                                   (unsigned)(block / grid.x / grid.y)}) +
            ", " + triple("thread", threads_[fault_.other_thread % launch_.threads].thread);
    std::string other = source_place(*launch_.module, fault_.other_place);
    if (!other.empty()) text += ", " + other;
  }
  if (launch_.context->lose(fault_.code)) explain(fault_.code, text);
}

// ---- addresses ----------------------------------------------------------------------------------

static bool near(const GuardedBlock& block, const char* address) {
  return block.mapping && address >= block.mapping && address < block.mapping + block.mapped;
}

static void describe_near(const GuardedBlock& block, const char* address, const char* what,
                          char* text, size_t bytes) {
  if (address < block.start) {
    snprintf(text, bytes, "%zu bytes before %s of %zu bytes", (size_t)(block.start - address),
             what, block.bytes);
  } else {
    snprintf(text, bytes, "at byte %zu of %s of %zu bytes", (size_t)(address - block.start), what,
             block.bytes);
  }
}

void Worker::describe_address(const void* address, char* text, size_t bytes) {
  const char* p = (const char*)address;
  if (stacks_.holds(address)) {
    snprintf(text, bytes, "below a thread's stack of %zu bytes", STACK_BYTES);
    return;
  }
  if (near(dynamic_.block, p)) {
    return describe_near(dynamic_.block, p, "the dynamic shared memory", text, bytes);
  }
  for (SharedRegion& region : regions_) {
    if (near(region.block, p)) {
      return describe_near(region.block, p, "a shared array", text, bytes);
    }
  }
  // the guard page before an allocation belongs to it too, but is above the one before
  for (const char* at : {p, p + PAGE_BYTES}) {
    Allocation* allocation = nearest_allocation(at);
    if (allocation && near(allocation->block, p)) {
      return describe_near(allocation->block, p, "an allocation", text, bytes);
    }
  }
  if (size_t was = freed_bytes(address)) {
    snprintf(text, bytes, "in an allocation of %zu bytes that was freed", was);
  } else {
    snprintf(text, bytes, "in no allocation");
  }
}

// ---- signals ------------------------------------------------------------------------------------

static const int caught[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
static const int CAUGHT = sizeof caught / sizeof *caught;
static struct sigaction before[CAUGHT];

static const void* place_of(void* context) {
#if defined(__linux__) && defined(__x86_64__)
  // behind the instruction, as a return address would be
  return (const char*)((ucontext_t*)context)->uc_mcontext.gregs[REG_RIP] + 1;
#elif defined(__linux__) && defined(__aarch64__)
  return (const char*)((ucontext_t*)context)->uc_mcontext.pc + 1;
#else
  (void)context;
  return nullptr;
#endif
}

void Worker::on_signal(int signal, void* address, bool from_alignment, const void* place) {
  char where[200];
  if (signal == SIGFPE) {
    fail(LAUNCH_FAILED, place, fault_.line, "arithmetic exception, such as a division by 0");
  }
  if (signal == SIGILL || signal == SIGTRAP) {
    fail(715, place, fault_.line, "the kernel trapped");
  }
  if (from_alignment) {
    fail(MISALIGNED_ADDRESS, place, fault_.line,
         "misaligned access to a vector, or a wild address");
  }
  describe_address(address, where, sizeof where);
  fail(ILLEGAL_ADDRESS, place, fault_.line, "illegal address %p, %s", address, where);
}

static void on_signal(int signal, siginfo_t* info, void* context) {
  if (Worker* worker = Worker::running()) {
#ifdef SI_KERNEL
    // x86-64 reports a misaligned vector access as a protection fault without an address
    bool alignment = signal == SIGBUS || info->si_code == SI_KERNEL;
#else
    bool alignment = false;
#endif
    worker->on_signal(signal, info->si_addr, alignment, place_of(context));
  }
  for (int k = 0; k < CAUGHT; k++) {
    if (caught[k] != signal) continue;
    if (before[k].sa_flags & SA_SIGINFO) {
      before[k].sa_sigaction(signal, info, context);
    } else if (before[k].sa_handler == SIG_DFL || before[k].sa_handler == SIG_IGN) {
      // happens again on return, now as if we were not here
      sigaction(signal, &before[k], nullptr);
    } else {
      before[k].sa_handler(signal);
    }
  }
}

FaultSignals::FaultSignals() {
  struct sigaction action = {};
  action.sa_sigaction = emulator::on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  sigemptyset(&action.sa_mask);
  for (int k = 0; k < CAUGHT; k++) sigaction(caught[k], &action, &before[k]);
}

FaultSignals::~FaultSignals() {
  for (int k = 0; k < CAUGHT; k++) sigaction(caught[k], &before[k], nullptr);
}

SignalStack::SignalStack() {
  stack_t stack = {};
  stack.ss_sp = memory_.data();
  stack.ss_size = memory_.size();
  sigaltstack(&stack, &before_);
}

SignalStack::~SignalStack() {
  // a disabled one may have a size that sigaltstack refuses to set again
  if (before_.ss_flags & SS_DISABLE) before_.ss_size = memory_.size();
  sigaltstack(&before_, nullptr);
}

}  // namespace emulator
