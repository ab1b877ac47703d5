#include "rewrite.h"

#include <cctype>
#include <cstdlib>
#include <vector>

#include "tokens.h"

namespace emulator {

// A stretch of the source and what takes its place.
struct Edit {
  size_t begin, end;
  std::string text;
};

struct Kernel {
  std::string name, bounds;  // bounds: the arguments of __launch_bounds__
  size_t body_begin, body_end;  // tokens
  std::vector<int> shared;
};

// A static shared array: its number and the token it stands at.
struct SharedArray {
  int id;
  size_t token;
};

class Rewriter {
 public:
  Rewriter(const std::string& source, bool gcc)
      : source_(source), gcc_(gcc), tokens_(tokens_of(source)) {}

  Rewritten run(const std::string& name, bool checked) {
    find_kernels();
    for (size_t k = 0; k < tokens_.size() && error_.empty(); k++) {
      if (tokens_[k].is("__shared__")) k = rewrite_shared(k);
      if (tokens_[k].kind == Token::directive) rewrite_pragma(k);
    }
    assign_shared();
    std::string text = "#line 1 \"" + quoted(name) + "\"\n" + edited();
    return {text + "\n#line 1 \"description of the module\"\n" + description(checked), error_};
  }

 private:
  const std::string& source_;
  const bool gcc_;
  const std::vector<Token> tokens_;
  std::vector<Kernel> kernels_;
  std::vector<SharedArray> arrays_;
  std::vector<Edit> edits_;
  std::string error_;

  static std::string quoted(const std::string& name) {
    std::string text;
    for (char c : name) {
      if (c == '"' || c == '\\') text += '\\';
      if (c != '\n') text += c;
    }
    return text;
  }

  // The source between two tokens, the first inclusive, the second exclusive.
  std::string between(size_t first, size_t last) const {
    if (first >= last) return "";
    return source_.substr(tokens_[first].begin, tokens_[last - 1].end - tokens_[first].begin);
  }

  std::string edited() const {
    std::string text;
    size_t at = 0;
    for (const Edit& edit : edits_) {
      text.append(source_, at, edit.begin - at);
      text += edit.text;
      at = edit.end;
    }
    return text.append(source_, at, std::string::npos);
  }

  void refuse(size_t token, const std::string& why) {
    size_t line = 1;
    for (size_t k = 0; k < tokens_[token].begin; k++) line += source_[k] == '\n';
    error_ = "(" + std::to_string(line) + "): error: " + why + "\n";
  }

  // ---- kernels ----------------------------------------------------------------------------------

  void find_kernels() {
    for (size_t k = 0; k < tokens_.size(); k++) {
      if (tokens_[k].is("__global__") && !is_template(k)) find_kernel(k + 1);
    }
  }

  bool ends_statement(size_t token) const {
    const Token& t = tokens_[token];
    return t.is(";") || t.is("{") || t.is("}") || t.kind == Token::directive;
  }

  size_t statement_begin(size_t token) const {
    while (token > 0 && !ends_statement(token - 1)) token--;
    return token;
  }

  bool is_template(size_t token) const {
    for (size_t k = statement_begin(token); k < token; k++) {
      if (tokens_[k].is("template")) return true;
    }
    return false;
  }

  // From behind `__global__` to the kernel's name, its parameters and body.
  void find_kernel(size_t k) {
    Kernel kernel;
    for (; k + 1 < tokens_.size() && !ends_statement(k); k++) {
      if (tokens_[k].kind != Token::word || !tokens_[k + 1].is("(")) continue;
      size_t close = closing(tokens_, k + 1);
      if (tokens_[k].is("__launch_bounds__")) {
        kernel.bounds = between(k + 2, close);
      } else if (tokens_[k].text.compare(0, 2, "__") != 0) {
        if (close + 1 >= tokens_.size() || !tokens_[close + 1].is("{")) return;  // a declaration
        kernel.name = tokens_[k].text;
        kernel.body_begin = close + 1;
        kernel.body_end = closing(tokens_, close + 1);
        kernels_.push_back(kernel);
        return;
      }
      k = close;
    }
  }

  static bool is_waiting(const std::string& word) {
    for (const char* start : {"__syncthreads", "__syncwarp", "__shfl_", "__ballot_sync",
                              "__any_sync", "__all_sync"}) {
      if (word.compare(0, std::string(start).size(), start) == 0) return true;
    }
    return false;
  }

  static bool directive_waits(const std::string& text) {
    for (size_t at = 0; (at = text.find("__", at)) != std::string::npos; at++) {
      if (is_waiting(text.substr(at))) return true;
    }
    return false;
  }

  bool in_body(const Kernel& kernel, size_t token) const {
    return token >= kernel.body_begin && token < kernel.body_end;
  }

  bool in_any_body(size_t token) const {
    for (const Kernel& kernel : kernels_) {
      if (in_body(kernel, token)) return true;
    }
    return false;
  }

  // Whether a kernel uses barriers or warp operations, or may through another function or a macro.
  bool waits(const Kernel& kernel) const {
    for (size_t k = 0; k < tokens_.size(); k++) {
      bool ours = in_body(kernel, k) || !in_any_body(k);
      if (!ours) continue;
      bool found = tokens_[k].kind == Token::directive ? directive_waits(tokens_[k].text)
                                                       : is_waiting(tokens_[k].text);
      if (found) return true;
    }
    return false;
  }

  // ---- shared arrays ----------------------------------------------------------------------------

  bool in_function(size_t token) const {
    int depth = 0;
    for (size_t k = 0; k < token; k++) depth += tokens_[k].is("{") - tokens_[k].is("}");
    return depth > 0;
  }

  // Rewrites the declaration around a `__shared__`; the index of its semicolon.
  size_t rewrite_shared(size_t at) {
    size_t begin = statement_begin(at), end = at;
    while (end < tokens_.size() && !tokens_[end].is(";")) {
      bool opens = tokens_[end].is("[") || tokens_[end].is("(") || tokens_[end].is("{");
      end = opens ? closing(tokens_, end) + 1 : end + 1;
    }
    if (!in_function(at)) {
      refuse(at, "the emulator wants __shared__ declarations inside functions");
      return at;
    }
    bool dynamic = false;
    std::string alignment = "1", type;
    size_t k = begin;
    for (; k < end && !is_declarator(k, end); k++) {
      const Token& token = tokens_[k];
      if (token.is("extern")) dynamic = true;
      if (token.is("extern") || token.is("static") || token.is("__shared__")) continue;
      if (token.is("__align__") || token.is("alignas")) {
        size_t close = closing(tokens_, k + 1);
        alignment = "(" + between(k + 2, close) + ")";
        k = close;
        continue;
      }
      type += (type.empty() ? "" : " ") + token.text;
    }
    std::string text;
    while (k < end) {
      size_t name = k++;
      size_t dims = k;
      while (k < end && !tokens_[k].is(",")) {
        k = tokens_[k].is("[") ? closing(tokens_, k) + 1 : k + 1;
      }
      text += declaration(type, tokens_[name].text, dims, k, alignment, dynamic, name);
      k++;
    }
    if (text.empty()) {
      refuse(at, "the emulator cannot read this __shared__ declaration");
      return at;
    }
    edits_.push_back({tokens_[begin].begin, tokens_[end - 1].end, text});
    return end;
  }

  // A name that dimensions, a comma or the declaration's end follow.
  bool is_declarator(size_t k, size_t end) const {
    if (tokens_[k].kind != Token::word) return false;
    return k + 1 == end || tokens_[k + 1].is("[") || tokens_[k + 1].is(",");
  }

  std::string declaration(const std::string& type, const std::string& name, size_t dims,
                          size_t dims_end, const std::string& alignment, bool dynamic,
                          size_t token) {
    std::string own = "pfe_type_" + name;
    if (dynamic) {  // the first dimension is open
      size_t rest = dims < dims_end ? closing(tokens_, dims) + 1 : dims;
      return "typedef " + type + " " + own + between(rest, dims_end) + "; " + own + "* const " +
             name + " = (" + own + "*)pfe_dynamic_shared(); ";
    }
    int id = (int)arrays_.size();
    arrays_.push_back({id, token});
    std::string aligned = "(alignof(" + own + ") > " + alignment + " ? alignof(" + own + ") : " +
                          alignment + ")";
    return "typedef " + type + " " + own + between(dims, dims_end) + "; " + own + "& " + name +
           " = *(" + own + "*)pfe_shared<" + std::to_string(id) + ", sizeof(" + own + "), " +
           aligned + ">(); ";
  }

  // An array in another function than a kernel counts for all kernels.
  void assign_shared() {
    if (arrays_.size() > 256) error_ = "(1): error: more than 256 shared arrays\n";
    for (const SharedArray& array : arrays_) {
      for (Kernel& kernel : kernels_) {
        if (in_body(kernel, array.token) || !in_any_body(array.token)) {
          kernel.shared.push_back(array.id);
        }
      }
    }
  }

  // ---- pragmas ----------------------------------------------------------------------------------

  // Full unrolling keeps arrays in registers; partial unrolling helps a card more than a processor.
  void rewrite_pragma(size_t k) {
    const Token& directive = tokens_[k];
    std::vector<Token> words = tokens_of(directive.text.substr(1));
    if (words.size() < 2 || !words[0].is("pragma") || !words[1].is("unroll") || !gcc_) return;
    // before anything but a loop NVRTC only warns, GCC refuses
    const std::string& next = k + 1 < tokens_.size() ? tokens_[k + 1].text : directive.text;
    if (next != "for" && next != "while" && next != "do") return;
    std::string count = words.size() == 2 ? "16" : directive.text.substr(1 + words[1].end);
    if (words.size() == 3 && atoi(words[2].text.c_str()) > 8) count = "8";
    edits_.push_back({directive.begin, directive.end, "#pragma GCC unroll " + count});
  }

  // ---- the description --------------------------------------------------------------------------

  std::string description(bool checked) const {
    std::string text, rows;
    for (const Kernel& kernel : kernels_) {
      const std::string& n = kernel.name;
      text += "static void pfe_call_" + n + "(void** values) { pfe_call(&" + n + ", values); }\n";
      text += "static const int pfe_shared_of_" + n + "[] = {";
      for (int id : kernel.shared) text += std::to_string(id) + ", ";
      text += "-1};\n";
      rows += "  {\"" + n + "\", (void*)&" + n + ", pfe_call_" + n + ", pfe_sizes(&" + n +
              "), pfe_first(" + kernel.bounds + "), " + (waits(kernel) ? "1" : "0") +
              ", pfe_shared_of_" + n + "},\n";
    }
    // a last row, so that there is one without kernels too
    text += "static const PfeKernel pfe_kernels[] = {\n" + rows + "  {}};\n";
    text += "extern \"C\" PFE_EXPORT const PfeModule pfe_module;\n";
    text += "const PfeModule pfe_module = {PFE_ABI_VERSION, ";
    text += checked ? "1" : "0";
    text += ", pfe_kernels, " + std::to_string(kernels_.size());
    text += ", pfe_shared_sizes, pfe_bind};\n";
    return text;
  }
};

Rewritten rewrite(const std::string& source, const std::string& name, bool checked, bool gcc) {
  Rewritten result = Rewriter(source, gcc).run(name, checked);
  if (!result.error.empty()) result.error = name + result.error;
  return result;
}

}  // namespace emulator
