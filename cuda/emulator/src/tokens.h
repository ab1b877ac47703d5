// CUDA C++ source as tokens, as far as rewriting needs it.
//
// Enters: source text. Leaves: words, numbers, single characters, literals and whole directives,
// each with its place; comments and white space are left out.

#pragma once

#include <string>
#include <vector>

namespace emulator {

struct Token {
  enum Kind { word, number, literal, directive, symbol } kind;
  size_t begin, end;  // in the source
  std::string text;

  bool is(const char* what) const { return text == what; }
};

std::vector<Token> tokens_of(const std::string& source);

// The index of the bracket that closes the one at `open`, or the count of tokens.
size_t closing(const std::vector<Token>& tokens, size_t open);

}  // namespace emulator
