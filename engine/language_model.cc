// Requests to a completion server: batches, retries, and what its answers say of a prompt's tokens.
#include "engine/language_model.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <mutex>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "encoders/option_range.h"
#include "engine/http_client.h"
#include "storage/error.h"
#include "storage/file_io.h"

namespace dexter {
namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr double kFirstPause = 0.5, kLongestPause = 60;  // seconds

// Servers count characters, not bytes.
std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) >> 6) != 2; }));
}

[[noreturn]] void fail_answer(std::string_view what) {
  throw Error(
      ErrorKind::kInvalidInput,
      fmt::format("asking a language model: {}; use a server that gives log-probabilities of "
                  "a prompt (lm.method echo or prompt_logprobs)",
                  what));
}

const json::value& member(const json::value& of, std::string_view name) {
  const json::object* object = of.if_object();
  const json::value* found = object == nullptr ? nullptr : object->if_contains(name);
  if (found == nullptr || found->is_null())
    fail_answer(fmt::format("its answer has no \"{}\"", name));
  return *found;
}

const json::array& list(const json::value& of, std::string_view name) {
  const json::value& found = member(of, name);
  if (!found.is_array()) fail_answer(fmt::format("\"{}\" of its answer is no list", name));
  return found.get_array();
}

double number(const json::value& value) {
  if (!value.is_number()) fail_answer("a log-probability of its answer is no number");
  return value.to_number<double>();
}

// "logprobs": {"tokens", "token_logprobs", "text_offset"} of the prompt and what follows it. A
// token belongs to the text where it ends behind the prompt and begins before the text's end.
Likelihood read_echo(const json::value& choice, const Continuation& asked) {
  const json::value& logprobs = member(choice, "logprobs");
  const json::array& values = list(logprobs, "token_logprobs");
  const json::array& tokens = list(logprobs, "tokens");
  if (tokens.size() != values.size()) fail_answer("tokens and token_logprobs differ in number");
  const std::size_t first = characters(asked.prompt), last = first + characters(asked.text);
  Likelihood result;
  std::size_t at = 0;
  const json::value* offsets = logprobs.get_object().if_contains("text_offset");
  const bool given =
      offsets != nullptr && offsets->is_array() && offsets->get_array().size() == values.size();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const json::string* token = tokens[i].if_string();
    if (given) at = static_cast<std::size_t>(number(offsets->get_array()[i]));
    std::size_t end = at + (token == nullptr ? 0 : characters({token->data(), token->size()}));
    if (given && i + 1 < values.size())
      end = static_cast<std::size_t>(number(offsets->get_array()[i + 1]));
    if (end > first && at < last && !values[i].is_null()) {
      result.log_probability += number(values[i]);
      ++result.tokens;
    }
    at = end;
  }
  return result;
}

// "prompt_logprobs": for each token of the prompt null or {"id": {"logprob", "decoded_token"}}. The
// text's tokens are the last ones.
Likelihood read_prompt_logprobs(const json::value& choice, const Continuation& asked) {
  const json::array& tokens = list(choice, "prompt_logprobs");
  const std::size_t wanted = characters(asked.text);
  Likelihood result;
  std::size_t covered = 0;
  for (std::size_t i = tokens.size(); i-- > 0 && covered < wanted;) {
    const json::object* entry = tokens[i].if_object();
    if (entry == nullptr || entry->empty()) break;
    const json::value& own = entry->begin()->value();
    result.log_probability += number(member(own, "logprob"));
    ++result.tokens;
    const json::value& token = member(own, "decoded_token");
    if (!token.is_string()) fail_answer("a decoded_token of its answer is no text");
    covered += characters({token.get_string().data(), token.get_string().size()});
  }
  return result;
}

std::string body_of(const LanguageModelOptions& options, std::span<const Continuation> asked) {
  json::array prompts;
  for (const Continuation& each : asked) prompts.emplace_back(each.prompt + each.text);
  // One token is generated, and passed over: not every server takes 0.
  json::object body = {{"prompt", std::move(prompts)}, {"max_tokens", 1}, {"temperature", 0}};
  if (!options.model.empty()) body["model"] = options.model;
  if (options.method == "echo") {
    body["echo"] = true;
    body["logprobs"] = 1;
  } else {
    body["prompt_logprobs"] = 0;
  }
  return json::serialize(body);
}

std::vector<Likelihood> read_answer(const LanguageModelOptions& options, const std::string& body,
                                    std::span<const Continuation> asked) {
  json::error_code error;
  const json::value answer = json::parse(body, error);
  if (error) fail_answer(fmt::format("its answer is not JSON ({})", error.message()));
  const json::array& choices = list(answer, "choices");
  if (choices.size() != asked.size())
    fail_answer(fmt::format("{} prompts were sent and {} answered", asked.size(), choices.size()));
  std::vector<Likelihood> result(asked.size());
  for (std::size_t i = 0; i < choices.size(); ++i) {
    const json::object* choice = choices[i].if_object();
    const json::value* index = choice == nullptr ? nullptr : choice->if_contains("index");
    const std::size_t at = index == nullptr ? i : static_cast<std::size_t>(number(*index));
    if (at >= asked.size())
      fail_answer(fmt::format("it answered a prompt {} of {}", at, asked.size()));
    result[at] = options.method == "echo" ? read_echo(choices[i], asked[at])
                                          : read_prompt_logprobs(choices[i], asked[at]);
    if (result[at].tokens == 0)
      fail_answer(fmt::format("no token of its answer stands for '{}'", asked[at].text));
  }
  return result;
}

std::string first_line(const std::string& file) {
  const std::string text = read_file(file);
  const std::size_t end = text.find_first_of("\r\n");
  return text.substr(0, end);
}

// The server's own words, on one line and not too many.
std::string words_of(const HttpAnswer& reply) {
  std::string words = reply.body.substr(0, 300);
  std::replace(words.begin(), words.end(), '\n', ' ');
  return words.empty() ? "no text" : words;
}

bool for_the_time_being(int status) { return status == 408 || status == 429 || status >= 500; }

}  // namespace

struct LanguageModel::Impl {
  explicit Impl(const LanguageModelOptions& given)
      : options(given),
        client(parse_server_url(given.url),
               {.api_key = given.key_file.empty() ? "" : first_line(given.key_file),
                .timeout_ms = static_cast<int>(given.timeout * 1000)}) {}

  void wait(double seconds, const Progress& progress) const {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, progress.stop, Seconds(seconds), [] { return false; });
    progress.check("asking a language model");
  }

  void keep_to_rate(const Progress& progress) {
    if (options.rate == 0) return;
    const Seconds left = next_request - Clock::now();
    if (left.count() > 0) wait(left.count(), progress);
    next_request = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                      Seconds(60.0 / static_cast<double>(options.rate)));
  }

  double pause_of(int attempt, const std::string& retry_after) const {
    double seconds = 0;
    const auto [end, error] =
        std::from_chars(retry_after.data(), retry_after.data() + retry_after.size(), seconds);
    const bool told = error == std::errc() && seconds >= 0 && end != retry_after.data();
    return std::min(told ? seconds : kFirstPause * std::pow(2.0, attempt), kLongestPause);
  }

  std::string ask(const std::string& body, const Progress& progress) {
    for (int attempt = 0;; ++attempt) {
      progress.check("asking a language model");
      keep_to_rate(progress);
      std::string reason, retry_after;
      try {
        HttpAnswer reply = client.send("POST", "/completions", body);
        if (reply.status == 200) return ++requests, std::move(reply.body);
        reason = fmt::format("asking {}: it answered {}, {}", options.url, reply.status,
                             words_of(reply));
        ensure(for_the_time_being(reply.status), ErrorKind::kInvalidInput,
               reason + "; mend the options lm.*");
        retry_after = reply.retry_after;
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::kUnavailable) throw;
        reason = error.what();
      }
      if (attempt == options.retries)
        throw Error(ErrorKind::kUnavailable,
                    fmt::format("{}; tried {} times, run the same command again to go on", reason,
                                attempt + 1));
      wait(pause_of(attempt, retry_after), progress);
    }
  }

  const LanguageModelOptions options;
  HttpClient client;
  Clock::time_point next_request;
  std::uint64_t requests = 0;
};

void LanguageModelOptions::validate() const {
  ensure(method == "echo" || method == "prompt_logprobs", ErrorKind::kInvalidInput,
         fmt::format("lm.method is \"{}\"; choose \"echo\" or \"prompt_logprobs\"", method));
  ensure_in_range("lm", "batch", batch, 1, 4096);
  ensure_in_range("lm", "rate", rate, 0, 1'000'000);
  ensure_in_range("lm", "timeout", timeout, 0.1, 86400.0);
  ensure_in_range("lm", "retries", retries, 0, 1000);
}

LanguageModel::LanguageModel(const LanguageModelOptions& options) {
  options.validate();
  ensure(!options.url.empty(), ErrorKind::kInvalidInput,
         "asking a language model: lm.url is empty; give --lm-url http://HOST:PORT/v1");
  impl_ = std::make_unique<Impl>(options);
}
LanguageModel::~LanguageModel() = default;
LanguageModel::LanguageModel(LanguageModel&&) noexcept = default;

std::uint64_t LanguageModel::requests() const { return impl_->requests; }
const std::string& LanguageModel::name() const { return impl_->options.model; }

std::vector<Likelihood> LanguageModel::likelihoods(std::span<const Continuation> asked,
                                                   const Progress& progress) {
  std::vector<Likelihood> result;
  const auto batch = static_cast<std::size_t>(impl_->options.batch);
  for (std::size_t first = 0; first < asked.size(); first += batch) {
    const auto part = asked.subspan(first, std::min(batch, asked.size() - first));
    const std::string answer = impl_->ask(body_of(impl_->options, part), progress);
    const std::vector<Likelihood> read = read_answer(impl_->options, answer, part);
    result.insert(result.end(), read.begin(), read.end());
  }
  return result;
}

}  // namespace dexter
