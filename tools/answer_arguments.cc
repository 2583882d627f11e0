// How answers are made, from the command line.
#include "tools/answer_arguments.h"

#include <map>
#include <string>

namespace dexter {

void add_answer_options(CLI::App& app, AnswerOptions& options, const char* group) {
  const std::map<std::string, Memory> memories = {
      {"auto", Memory::kAuto}, {"on", Memory::kOn}, {"off", Memory::kOff}};
  app.add_option(
         "--memory", options.memory,
         "whether the labels of documents alike vote (`dexter index --documents`): on, off, "
         "or auto, where that helped on the validation part")
      ->type_name("WHEN")
      ->default_str("auto")
      ->transform(CLI::Transformer(memories).description(""))
      ->group(group);
  app.add_option("--tail", options.tail,
                 "lean to rare labels: rank by probability / propensity^X, such as 0.3")
      ->type_name("X")
      ->default_str("0")
      ->check(CLI::Range(-10.0, 10.0).description(""))
      ->group(group);
}

}  // namespace dexter
