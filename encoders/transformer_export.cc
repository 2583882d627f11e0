// A store's transformer as a checkpoint folder of the Python ecosystem.
#include <spdlog/fmt/fmt.h>

#include <boost/json.hpp>
#include <iterator>

#include "encoders/bag_model.h"
#include "encoders/options_text.h"
#include "encoders/transformer_encoder.h"
#include "storage/file_io.h"

namespace dexter {
namespace {

namespace json = boost::json;

constexpr const char* kDense = "2_Dense";

json::object pooling_settings(std::string_view pooling, int dim) {
  return {{"word_embedding_dimension", dim},
          {"pooling_mode_cls_token", pooling == "cls"},
          {"pooling_mode_mean_tokens", pooling == "mean"},
          {"pooling_mode_max_tokens", pooling == "max"},
          {"pooling_mode_lasttoken", pooling == "last"}};
}

json::object dense_settings(const TransformerShape& shape) {
  return {{"in_features", shape.hidden},
          {"out_features", shape.projection},
          {"bias", true},
          {"activation_function", "torch.nn.modules.linear.Identity"}};
}

json::array modules(bool projects) {
  const auto module = [](int number, std::string_view path, std::string_view type) {
    return json::object{{"idx", number},
                        {"name", std::to_string(number)},
                        {"path", path},
                        {"type", fmt::format("sentence_transformers.models.{}", type)}};
  };
  json::array all{module(0, "", "Transformer"), module(1, "1_Pooling", "Pooling")};
  if (projects) all.push_back(module(2, kDense, "Dense"));
  all.push_back(projects ? module(3, "3_Normalize", "Normalize")
                         : module(2, "2_Normalize", "Normalize"));
  return all;
}

void make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  ensure(!error, ErrorKind::kIo,
         fmt::format("making the folder {}: {}; check its permissions and the free space",
                     folder.string(), error.message()));
}

// The projection, whose weight and bias are the last parameters, has a module of its own; returns
// the weights of the others.
std::string without_projection(std::span<const std::byte> weights, const TransformerShape& shape,
                               Pooling pooling, const std::filesystem::path& folder) {
  std::vector<FloatTensor> all =
      read_parameters(shape, SafetensorsReader(weights, "an encoder's weights"), pooling);
  std::vector<FloatTensor> projection(std::make_move_iterator(all.end() - 2),
                                      std::make_move_iterator(all.end()));
  all.resize(all.size() - 2);
  projection[0].name = "linear.weight";
  projection[1].name = "linear.bias";
  make_folder(folder / kDense);
  write_file_atomically(folder / kDense / "config.json", json::serialize(dense_settings(shape)));
  write_file_atomically(folder / kDense / "model.safetensors", write_safetensors(projection));
  return write_safetensors(all);
}

// One tower, whose weights are in `section`.
void export_tower(const SectionFileReader& file, const std::string& section,
                  const TransformerOptions& options, const std::filesystem::path& folder) {
  const TransformerShape shape = shape_of(options, file.text("config"));
  const bool projects = shape.projection > 0;
  for (const char* inner : {"1_Pooling", projects ? "3_Normalize" : "2_Normalize"})
    make_folder(folder / inner);
  const auto write = [&](std::string_view name, const auto& text) {
    write_file_atomically(folder / name, text);
  };
  write("config.json", file.text("config"));
  write("tokenizer.json", file.text("tokenizer"));
  if (projects)
    write("model.safetensors",
          without_projection(file.section(section), shape, pooling_named(options.pooling), folder));
  else
    write("model.safetensors", file.text(section));
  write("modules.json", json::serialize(modules(projects)));
  write("1_Pooling/config.json", json::serialize(pooling_settings(options.pooling, shape.hidden)));
  write("sentence_bert_config.json",
        json::serialize(json::object{{"max_seq_length", options.max_tokens}}));
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
  if (options.separate()) {
    export_tower(file, "weights", options, folder / "documents");
    export_tower(file, "label_weights", options, folder / "labels");
  } else {
    export_tower(file, "weights", options, folder);
  }
}

}  // namespace dexter
