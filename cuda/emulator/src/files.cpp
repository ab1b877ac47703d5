#include "files.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "settings.h"

extern char** environ;

namespace emulator {

std::string library_folder() {
  static const std::string folder = [] {
    Dl_info info;
    dladdr((void*)&library_folder, &info);
    std::string path = info.dli_fname;
    size_t slash = path.rfind('/');
    return slash == std::string::npos ? std::string(".") : path.substr(0, slash);
  }();
  return folder;
}

std::string cache_folder() {
  std::string folder = setting("CACHE", (library_folder() + "/kernels").c_str());
  if (folder == "0") return "";
  if (mkdir(folder.c_str(), 0777) && errno != EEXIST) return "";
  return folder;
}

bool read_file(const std::string& path, std::string& contents) {
  FILE* file = fopen(path.c_str(), "rb");
  if (!file) return false;
  contents.clear();
  char buffer[65536];
  for (size_t count; (count = fread(buffer, 1, sizeof buffer, file));) {
    contents.append(buffer, count);
  }
  bool whole = !ferror(file);
  fclose(file);
  return whole;
}

static bool write_file(const std::string& path, const std::string& contents) {
  FILE* file = fopen(path.c_str(), "wb");
  if (!file) return false;
  bool whole = fwrite(contents.data(), 1, contents.size(), file) == contents.size();
  return fclose(file) == 0 && whole;
}

bool write_file_whole(const std::string& path, const std::string& contents) {
  static std::atomic<unsigned> count{0};
  std::string temporary = path + "." + std::to_string(getpid()) + "." + std::to_string(count++);
  if (write_file(temporary, contents) && rename(temporary.c_str(), path.c_str()) == 0) return true;
  unlink(temporary.c_str());
  return false;
}

ScratchFile::ScratchFile(const char* suffix) {
  const char* folder = getenv("TMPDIR");
  path_ = std::string(folder && *folder ? folder : "/tmp") + "/pairfold_emulator_XXXXXX" + suffix;
  int file = mkstemps(&path_[0], (int)strlen(suffix));
  if (file >= 0) close(file);
}

ScratchFile::~ScratchFile() { unlink(path_.c_str()); }

bool ScratchFile::write(const std::string& contents) { return write_file(path_, contents); }

int run_program(const std::vector<std::string>& arguments, std::string& output) {
  ScratchFile log(".log");
  std::vector<char*> words;
  for (const std::string& argument : arguments) words.push_back((char*)argument.c_str());
  words.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, log.path().c_str(), O_WRONLY | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t child;
  int failed = posix_spawnp(&child, words[0], &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed) {
    output = arguments[0] + ": " + strerror(failed);
    return 127;
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  read_file(log.path(), output);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

}  // namespace emulator
