#include "fibre.h"

#include <sys/mman.h>

#include <cstdint>
#include <mutex>
#include <new>
#include <vector>

#include "memory.h"

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif
#ifdef __APPLE__
#define SYMBOL(name) "_" name
#define HIDDEN(name) ".private_extern _" name "\n"
#else
#define SYMBOL(name) name
#define HIDDEN(name) ".hidden " name "\n"
#endif

namespace emulator {

// ---- switching ----------------------------------------------------------------------------------

#ifdef EMULATOR_UCONTEXT

void switch_to(Resumption& from, Resumption& to) { swapcontext(&from.context, &to.context); }

void prepare(Resumption& fibre, char* stack, size_t bytes, void (*entry)()) {
  getcontext(&fibre.context);
  fibre.context.uc_stack.ss_sp = stack;
  fibre.context.uc_stack.ss_size = bytes;
  fibre.context.uc_link = nullptr;
  makecontext(&fibre.context, entry, 0);
}

#else

// Saves the registers that a call preserves on the running stack, and takes the other's.
extern "C" void pairfold_emulator_switch(void** save, void* load);

#if defined(__x86_64__)

asm(".text\n.globl " SYMBOL("pairfold_emulator_switch") "\n" HIDDEN("pairfold_emulator_switch")
    SYMBOL("pairfold_emulator_switch") ":\n"
    "  pushq %rbp\n  pushq %rbx\n  pushq %r12\n  pushq %r13\n  pushq %r14\n  pushq %r15\n"
    "  movq %rsp, (%rdi)\n"
    "  movq %rsi, %rsp\n"
    "  popq %r15\n  popq %r14\n  popq %r13\n  popq %r12\n  popq %rbx\n  popq %rbp\n"
    "  ret\n");

void prepare(Resumption& fibre, char* stack, size_t bytes, void (*entry)()) {
  void** top = (void**)(((uintptr_t)stack + bytes) & ~(uintptr_t)63);
  *--top = nullptr;  // entry's return address: it begins as if called
  *--top = (void*)entry;
  for (int k = 0; k < 6; k++) *--top = nullptr;
  fibre.stack_pointer = top;
}

#else

asm(".text\n.align 4\n.globl " SYMBOL("pairfold_emulator_switch") "\n"
    HIDDEN("pairfold_emulator_switch") SYMBOL("pairfold_emulator_switch") ":\n"
    "  sub sp, sp, #160\n"
    "  stp x19, x20, [sp]\n  stp x21, x22, [sp, #16]\n  stp x23, x24, [sp, #32]\n"
    "  stp x25, x26, [sp, #48]\n  stp x27, x28, [sp, #64]\n  stp x29, x30, [sp, #80]\n"
    "  stp d8, d9, [sp, #96]\n  stp d10, d11, [sp, #112]\n  stp d12, d13, [sp, #128]\n"
    "  stp d14, d15, [sp, #144]\n"
    "  mov x9, sp\n  str x9, [x0]\n  mov sp, x1\n"
    "  ldp x19, x20, [sp]\n  ldp x21, x22, [sp, #16]\n  ldp x23, x24, [sp, #32]\n"
    "  ldp x25, x26, [sp, #48]\n  ldp x27, x28, [sp, #64]\n  ldp x29, x30, [sp, #80]\n"
    "  ldp d8, d9, [sp, #96]\n  ldp d10, d11, [sp, #112]\n  ldp d12, d13, [sp, #128]\n"
    "  ldp d14, d15, [sp, #144]\n"
    "  add sp, sp, #160\n  ret\n");

void prepare(Resumption& fibre, char* stack, size_t bytes, void (*entry)()) {
  uint64_t* top = (uint64_t*)(((uintptr_t)stack + bytes) & ~(uintptr_t)63) - 20;
  for (int k = 0; k < 20; k++) top[k] = 0;
  top[11] = (uint64_t)(uintptr_t)entry;  // x30
  fibre.stack_pointer = top;
}

#endif

void switch_to(Resumption& from, Resumption& to) {
  pairfold_emulator_switch(&from.stack_pointer, to.stack_pointer);
}

#endif

// ---- stacks -------------------------------------------------------------------------------------

static const size_t SPACING = STACK_BYTES + PAGE_BYTES;
static std::mutex lock;
static std::vector<char*> kept;

Stacks::Stacks() {
  {
    std::lock_guard<std::mutex> guard(lock);
    if (!kept.empty()) {
      base_ = kept.back();
      kept.pop_back();
      return;
    }
  }
  void* mapping = mmap(nullptr, MOST_FIBRES * SPACING, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED) throw std::bad_alloc();
  base_ = (char*)mapping;
  for (unsigned k = 0; k < MOST_FIBRES; k++) mprotect(base_ + k * SPACING, PAGE_BYTES, PROT_NONE);
}

Stacks::~Stacks() {
  std::lock_guard<std::mutex> guard(lock);
  kept.push_back(base_);
}

char* Stacks::bottom(unsigned fibre) { return base_ + fibre * SPACING + PAGE_BYTES; }

size_t Stacks::usable(unsigned fibre) const { return STACK_BYTES - fibre % 61 * 192; }

bool Stacks::holds(const void* address) const {
  return address >= base_ && address < base_ + MOST_FIBRES * SPACING;
}

}  // namespace emulator
