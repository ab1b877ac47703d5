#include "tokens.h"

#include <cctype>

namespace emulator {

static bool starts_word(char c) { return isalpha((unsigned char)c) || c == '_'; }
static bool in_word(char c) { return isalnum((unsigned char)c) || c == '_'; }

// The end of a comment that begins at `at`, or `at`.
static size_t skip_comment(const std::string& s, size_t at) {
  if (s.compare(at, 2, "//") == 0) {
    size_t end = s.find('\n', at);
    return end == std::string::npos ? s.size() : end;
  }
  if (s.compare(at, 2, "/*") == 0) {
    size_t end = s.find("*/", at + 2);
    return end == std::string::npos ? s.size() : end + 2;
  }
  return at;
}

static size_t literal_end(const std::string& s, size_t at) {
  char quote = s[at];
  for (size_t k = at + 1; k < s.size(); k++) {
    if (s[k] == '\\') {
      k++;
    } else if (s[k] == quote || s[k] == '\n') {
      return k + 1;
    }
  }
  return s.size();
}

// A directive reaches to the end of its line, or of the last line that it is continued on.
static size_t directive_end(const std::string& s, size_t at) {
  while (at < s.size() && s[at] != '\n') {
    size_t after = skip_comment(s, at);
    at = after > at ? after : at + (s[at] == '\\' && at + 1 < s.size() ? 2 : 1);
  }
  return at;
}

static size_t word_end(const std::string& s, size_t at) {
  while (at < s.size() && in_word(s[at])) at++;
  return at;
}

static size_t number_end(const std::string& s, size_t at) {
  while (at < s.size() && (in_word(s[at]) || s[at] == '.')) {
    bool exponent = (s[at] == 'e' || s[at] == 'p') && at + 1 < s.size() &&
                    (s[at + 1] == '+' || s[at + 1] == '-');
    at += exponent ? 2 : 1;
  }
  return at;
}

std::vector<Token> tokens_of(const std::string& source) {
  std::vector<Token> tokens;
  bool line_begins = true;
  for (size_t at = 0; at < source.size();) {
    char c = source[at];
    if (c == '\n') line_begins = true;
    if (isspace((unsigned char)c)) {
      at++;
      continue;
    }
    if (size_t after = skip_comment(source, at); after > at) {
      at = after;
      continue;
    }
    Token token = {Token::symbol, at, at + 1, ""};
    if (c == '#' && line_begins) {
      token.kind = Token::directive;
      token.end = directive_end(source, at);
    } else if (starts_word(c)) {
      token.kind = Token::word;
      token.end = word_end(source, at);
    } else if (isdigit((unsigned char)c)) {
      token.kind = Token::number;
      token.end = number_end(source, at);
    } else if (c == '"' || c == '\'') {
      token.kind = Token::literal;
      token.end = literal_end(source, at);
    }
    token.text = source.substr(token.begin, token.end - token.begin);
    at = token.end;
    line_begins = false;
    tokens.push_back(std::move(token));
  }
  return tokens;
}

size_t closing(const std::vector<Token>& tokens, size_t open) {
  int depth = 0;
  for (size_t k = open; k < tokens.size(); k++) {
    if (tokens[k].is("(") || tokens[k].is("[") || tokens[k].is("{")) depth++;
    if (tokens[k].is(")") || tokens[k].is("]") || tokens[k].is("}")) depth--;
    if (depth == 0) return k;
  }
  return tokens.size();
}

}  // namespace emulator
