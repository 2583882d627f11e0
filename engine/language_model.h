#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "storage/progress.h"

namespace dexter {

struct LanguageModelOptions {
  std::string url;
  std::string model;
  std::string key_file;
  std::string method = "echo";
  int batch = 16;
  int rate = 0;
  double timeout = 120;
  int retries = 6;
  void validate() const;  // kInvalidInput naming the option, its value and its range
};

template <class Visitor>
void visit(Visitor& v, LanguageModelOptions& o) {
  v("url", o.url, "an OpenAI-compatible server: http://HOST:PORT/v1");
  v("model", o.model, "name of the model, sent with each request; may be empty");
  v("key_file", o.key_file, "file whose first line is the server's API key");
  v("method", o.method,
    "how log-probabilities of a prompt are asked for: echo (with logprobs) or prompt_logprobs");
  v("batch", o.batch, "prompts in a request");
  v("rate", o.rate, "requests a minute, at most; 0 for no limit");
  v("timeout", o.timeout, "seconds that a request may take");
  v("retries", o.retries,
    "how often a request is tried again that the server refuses for the time being (429, 5xx, no "
    "connection), waiting 0.5 s, 1 s, 2 s and so on, or as long as it says");
}

// What a text is asked for: how probable `text` is behind `prompt`.
struct Continuation {
  std::string prompt;
  std::string text;
};

struct Likelihood {
  double log_probability = 0;  // of all tokens of the text
  int tokens = 0;
  double mean() const { return tokens == 0 ? 0 : log_probability / tokens; }
};

// A causal language model behind POST {url}/completions. One caller.
class LanguageModel {
 public:
  // kInvalidInput for options, kNotFound for a key file that is not there.
  explicit LanguageModel(const LanguageModelOptions& options);
  ~LanguageModel();
  LanguageModel(LanguageModel&&) noexcept;

  // In the order of `asked`. Errors: kUnavailable once the retries are used up; kInvalidInput for a
  // request the server refuses for good, with its words, and for an answer without
  // log-probabilities; kInterrupted by `progress`, also while waiting.
  std::vector<Likelihood> likelihoods(std::span<const Continuation> asked,
                                      const Progress& progress);
  std::uint64_t requests() const;  // answered so far
  const std::string& name() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dexter
