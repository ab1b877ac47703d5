# zig cc as a cross compiler: one program for all platforms, and for the oldest glibc that is
# wanted. The environment's ZIG names it; the presets set PF_TARGET.

set(CMAKE_C_COMPILER "$ENV{ZIG}" cc)
set(CMAKE_C_COMPILER_TARGET ${PF_TARGET})
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES PF_TARGET)
# only the linker is needed beside it
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
