// What demonstrations are turned into: a prompt, a vote.
#include "engine/demo_prompt.h"

#include <algorithm>
#include <map>

#include <spdlog/fmt/fmt.h>

#include "storage/error.h"

namespace dexter {

std::string majority_output(const std::vector<FoundDemo>& found) {
  std::map<std::string_view, int> votes;
  int most = 0;
  for (const FoundDemo& each : found) most = std::max(most, ++votes[each.demo->output]);
  const FoundDemo* best = nullptr;
  for (const FoundDemo& each : found)
    if (votes[each.demo->output] == most && (best == nullptr || each.score > best->score))
      best = &each;
  return best == nullptr ? "" : best->demo->output;
}

namespace {

std::string replaced(std::string_view pattern, std::string_view input, std::string_view output,
                     std::string_view task) {
  std::string text;
  const std::pair<std::string_view, std::string_view> fields[] = {
      {"{input}", input}, {"{output}", output}, {"{task}", task}};
  while (!pattern.empty()) {
    bool found = false;
    for (const auto& [name, value] : fields)
      if (pattern.starts_with(name)) {
        text += value;
        pattern.remove_prefix(name.size());
        found = true;
        break;
      }
    if (found) continue;
    text += pattern.front();
    pattern.remove_prefix(1);
  }
  return text;
}

}  // namespace

std::string assemble_prompt(const std::vector<FoundDemo>& best_first, std::string_view text,
                            std::string_view pattern) {
  const std::size_t output = pattern.find("{output}");
  ensure(output != std::string_view::npos && pattern.find("{input}") < output,
         ErrorKind::kInvalidInput,
         fmt::format("laying out a prompt: the pattern is '{}', but it needs {{input}} and, behind "
                     "it, {{output}}",
                     pattern));
  std::string prompt;
  std::string task;
  for (auto each = best_first.rbegin(); each != best_first.rend(); ++each) {
    prompt += replaced(pattern, each->demo->input, each->demo->output, each->demo->task);
    task = each->demo->task;
  }
  std::string question = replaced(pattern.substr(0, output), text, "", task);
  while (question.ends_with(' ')) question.pop_back();
  return prompt + question;
}

}  // namespace dexter
