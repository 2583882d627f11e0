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

void add_device_options(CLI::App& app, DeviceOptions& options, const char* group) {
  app.add_option("--device", options.name,
                 "where a flat or ivf index is searched: cpu, cuda, or auto, the GPU where there "
                 "is one")
      ->type_name("DEVICE")
      ->default_str("cpu")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}).description(""))
      ->group(group);
  add_device_sizes(app, options.memory, options.codes, group);
}

void add_device_sizes(CLI::App& app, double& memory, int& codes, const char* group) {
  app.add_option("--device-memory", memory,
                 "what an index and its searches may take of a GPU: up to 1 a share of its free "
                 "memory, above MiB")
      ->type_name("SIZE")
      ->default_str("0.9")
      ->check(CLI::Validator(
          [](const std::string& text) {
            double size = 0;
            return CLI::detail::lexical_cast(text, size) && size > 0 ? "" : "give more than 0";
          },
          ""))
      ->group(group);
  app.add_option("--device-codes", codes,
                 "keep an ivf index's copy on GPUs in product-quantised codes of so many bytes, a "
                 "divisor of its dimensions; they miss some answers; 0: none")
      ->type_name("BYTES")
      ->default_str("0")
      ->check(CLI::Range(0, 96).description(""))
      ->group(group);
}

}  // namespace dexter
