// Files that the emulator writes, and other programs that it runs.
//
// Enters: contents, command lines. Leaves: files under names of their own, exit codes and output.

#pragma once

#include <string>
#include <vector>

namespace emulator {

// The folder that the emulator's library lies in: its build folder.
std::string library_folder();

// The folder of kernels compiled before: PAIRFOLD_EMULATOR_CACHE, by default `kernels` in the
// library's folder; empty where it is switched off ("0") or cannot be made.
std::string cache_folder();

bool read_file(const std::string& path, std::string& contents);
// Under a temporary name first, so that other processes see the whole file or none.
bool write_file_whole(const std::string& path, const std::string& contents);

// A file that is deleted with the object.
class ScratchFile {
 public:
  explicit ScratchFile(const char* suffix);
  ~ScratchFile();
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  const std::string& path() const { return path_; }
  bool write(const std::string& contents);

 private:
  std::string path_;
};

// Runs a program with its output and errors into `output`; its exit code, or 127 where it cannot
// run.
int run_program(const std::vector<std::string>& arguments, std::string& output);

}  // namespace emulator
