// A store's transformer as a checkpoint folder of the Python ecosystem.
#include <spdlog/fmt/fmt.h>

#include <boost/json.hpp>

#include "encoders/bag_model.h"
#include "encoders/options_text.h"
#include "encoders/transformer_encoder.h"
#include "storage/file_io.h"

namespace dexter {
namespace {

namespace json = boost::json;

json::object pooling_settings(std::string_view pooling, int dim) {
  return {{"word_embedding_dimension", dim},
          {"pooling_mode_cls_token", pooling == "cls"},
          {"pooling_mode_mean_tokens", pooling == "mean"},
          {"pooling_mode_max_tokens", pooling == "max"},
          {"pooling_mode_lasttoken", pooling == "last"}};
}

json::array modules() {
  const auto module = [](int number, std::string_view path, std::string_view type) {
    return json::object{{"idx", number},
                        {"name", std::to_string(number)},
                        {"path", path},
                        {"type", fmt::format("sentence_transformers.models.{}", type)}};
  };
  return {module(0, "", "Transformer"), module(1, "1_Pooling", "Pooling"),
          module(2, "2_Normalize", "Normalize")};
}

}  // namespace

void export_transformer(const std::filesystem::path& root, const FileRef& encoder,
                        const std::filesystem::path& folder) {
  const SectionFileReader file(root, encoder, "encoder", kEncoderFileVersion);
  const OptionsReader reader(file.text("options"));
  ensure(reader.value("kind") == "transformer", ErrorKind::kInvalidInput,
         fmt::format("exporting an encoder: the store's is of kind {}, but only a transformer has "
                     "a layout that other programs read; export its vectors",
                     reader.value("kind")));
  TransformerOptions options;
  visit(reader, options);
  ensure(!learns(pooling_named(options.pooling)), ErrorKind::kInvalidInput,
         fmt::format("exporting an encoder: transformer.pooling is {}, which the layout that other "
                     "programs read has no place for; export its vectors",
                     options.pooling));
  const TransformerShape shape = read_shape(file.text("config"), "an encoder's config.json");
  for (const char* inner : {"1_Pooling", "2_Normalize"}) {
    std::error_code error;
    std::filesystem::create_directories(folder / inner, error);
    ensure(!error, ErrorKind::kIo,
           fmt::format("making the folder {}: {}; check its permissions and the free space",
                       (folder / inner).string(), error.message()));
  }
  const auto write = [&](std::string_view name, const auto& text) {
    write_file_atomically(folder / name, text);
  };
  write("config.json", file.text("config"));
  write("tokenizer.json", file.text("tokenizer"));
  write("model.safetensors", file.text("weights"));
  write("modules.json", json::serialize(modules()));
  write("1_Pooling/config.json", json::serialize(pooling_settings(options.pooling, shape.hidden)));
  write("sentence_bert_config.json",
        json::serialize(json::object{{"max_seq_length", options.max_tokens}}));
}

}  // namespace dexter
