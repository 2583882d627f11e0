// What the files of a checkpoint folder say.
#include "encoders/transformer_checkpoint.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <boost/json.hpp>
#include <random>

#include "encoders/wordpiece.h"
#include "storage/error.h"
#include "storage/file_io.h"

namespace dexter {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

// A JSON object with the name that errors give it.
class Settings {
 public:
  Settings(std::string_view text, std::string source) : source_(std::move(source)) {
    json::error_code error;
    json::value parsed = json::parse({text.data(), text.size()}, error);
    ensure(!error.failed() && parsed.is_object(), ErrorKind::kCorrupt,
           fmt::format("reading {}: it is no JSON object ({}); fetch the weights again", source_,
                       error.message()));
    values_ = std::move(parsed.get_object());
  }

  bool flag(std::string_view key) const {
    const json::value* found = values_.if_contains(key);
    return found != nullptr && found->is_bool() && found->get_bool();
  }
  std::string text(std::string_view key, std::string otherwise) const {
    const json::value* found = values_.if_contains(key);
    return found != nullptr && found->is_string()
               ? std::string(std::string_view(found->get_string()))
               : otherwise;
  }
  double number(std::string_view key, double otherwise) const {
    const json::value* found = values_.if_contains(key);
    return found != nullptr && found->is_number() ? found->to_number<double>() : otherwise;
  }
  int count(std::string_view key, int most) const {
    const double found = number(key, 0);
    ensure(found >= 1 && found <= most, ErrorKind::kCorrupt,
           fmt::format("reading {}: \"{}\" is {}, but must lie in 1 to {}; fetch the weights again",
                       source_, key, found, most));
    return static_cast<int>(found);
  }
  [[noreturn]] void unknown(std::string_view key, std::string_view found,
                            std::string_view known) const {
    throw Error(ErrorKind::kIncompatible,
                fmt::format("reading {}: \"{}\" is \"{}\", but dexter knows {}; choose another "
                            "checkpoint",
                            source_, key, found, known));
  }

 private:
  json::object values_;
  std::string source_;
};

Activation activation_named(const Settings& config, std::string_view key) {
  const std::string name = config.text(key, "gelu");
  if (name == "gelu") return Activation::kGelu;
  if (name == "gelu_new" || name == "gelu_pytorch_tanh") return Activation::kGeluTanh;
  if (name == "relu") return Activation::kRelu;
  config.unknown(key, name, "gelu, gelu_new, gelu_pytorch_tanh and relu");
}

constexpr int kMostLayers = 1000, kMostHidden = 1 << 15, kMostRows = 1 << 24;

TransformerShape bert_shape(const Settings& config) {
  const std::string positions = config.text("position_embedding_type", "absolute");
  if (positions != "absolute") config.unknown("position_embedding_type", positions, "absolute");
  return {.family = Family::kBert,
          .layers = config.count("num_hidden_layers", kMostLayers),
          .hidden = config.count("hidden_size", kMostHidden),
          .heads = config.count("num_attention_heads", kMostHidden),
          .intermediate = config.count("intermediate_size", kMostHidden),
          .vocabulary = config.count("vocab_size", kMostRows),
          .positions = config.count("max_position_embeddings", kMostRows),
          .types = config.count("type_vocab_size", kMostRows),
          .epsilon = config.number("layer_norm_eps", 1e-12),
          .activation = activation_named(config, "hidden_act")};
}

TransformerShape distilbert_shape(const Settings& config) {
  return {.family = Family::kDistilBert,
          .layers = config.count("n_layers", kMostLayers),
          .hidden = config.count("dim", kMostHidden),
          .heads = config.count("n_heads", kMostHidden),
          .intermediate = config.count("hidden_dim", kMostHidden),
          .vocabulary = config.count("vocab_size", kMostRows),
          .positions = config.count("max_position_embeddings", kMostRows),
          .types = 0,
          .epsilon = 1e-12,
          .activation = activation_named(config, "activation")};
}

// Names of a layer's parts, in the order of parameters_of.
constexpr const char* kBertParts[] = {"attention.self.query",
                                      "attention.self.key",
                                      "attention.self.value",
                                      "attention.output.dense",
                                      "attention.output.LayerNorm",
                                      "intermediate.dense",
                                      "output.dense",
                                      "output.LayerNorm"};
constexpr const char* kDistilBertParts[] = {
    "attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin",
    "sa_layer_norm",   "ffn.lin1",        "ffn.lin2",        "output_layer_norm"};

fs::path pooling_file(const fs::path& folder) { return folder / "1_Pooling" / "config.json"; }

Pooling read_pooling(const fs::path& file) {
  const Settings settings(read_file(file), file.string());
  for (const Pooling pooling : {Pooling::kMean, Pooling::kCls, Pooling::kMax, Pooling::kLast}) {
    constexpr const char* kKeys[] = {"pooling_mode_mean_tokens", "pooling_mode_cls_token",
                                     "pooling_mode_lasttoken", "pooling_mode_max_tokens"};
    if (settings.flag(kKeys[static_cast<int>(pooling)])) return pooling;
  }
  settings.unknown("pooling_mode", "another one", "mean, cls, last and max");
}

// The folder of the module that projects, empty without one: modules after the transformer may
// pool, then project, and normalise, nothing else.
std::string dense_module(const fs::path& file) {
  json::error_code error;
  const json::value modules = json::parse(read_file(file), error);
  ensure(!error.failed() && modules.is_array(), ErrorKind::kCorrupt,
         fmt::format("reading {}: it is no JSON list; fetch the weights again", file.string()));
  std::string before, dense;
  for (const json::value& module : modules.get_array()) {
    const auto text = [&](std::string_view key) {
      const json::object* entry = module.if_object();
      const json::value* found = entry != nullptr ? entry->if_contains(key) : nullptr;
      return found != nullptr && found->is_string()
                 ? std::string(std::string_view(found->get_string()))
                 : "";
    };
    const std::string name = text("type"), last = name.substr(name.rfind('.') + 1);
    const bool projects = last == "Dense" && before == "Pooling";
    ensure(projects || last == "Transformer" || last == "Pooling" || last == "Normalize",
           ErrorKind::kIncompatible,
           fmt::format("reading {}: the model has a module \"{}\", but dexter knows Transformer, "
                       "Pooling, one Dense after it, and Normalize; choose another checkpoint",
                       file.string(), name));
    before = last;
    if (!projects) continue;
    dense = text("path");
    const bool folder = !dense.empty() && dense != ".." && fs::path(dense).filename() == dense;
    ensure(folder, ErrorKind::kCorrupt,
           fmt::format("reading {}: the Dense module's path is \"{}\", but must name a folder "
                       "beside it; fetch the weights again",
                       file.string(), dense));
  }
  return dense;
}

// Reads the module's files into the checkpoint.
void read_dense(const fs::path& folder, int hidden, TransformerCheckpoint& checkpoint) {
  const fs::path file = folder / "config.json";
  const Settings settings(read_file(file), file.string());
  const std::string activation = settings.text("activation_function", "Tanh");
  if (!activation.ends_with("Identity"))
    settings.unknown("activation_function", activation, "torch.nn.modules.linear.Identity");
  const int taken = settings.count("in_features", kMostHidden);
  ensure(taken == hidden, ErrorKind::kCorrupt,
         fmt::format("reading {}: \"in_features\" is {}, but a pooled vector has {} dimensions; "
                     "fetch the weights again",
                     file.string(), taken, hidden));
  checkpoint.projection = settings.count("out_features", kMostHidden);
  checkpoint.dense = read_file(folder / "model.safetensors");
}

constexpr std::int64_t kPoolingQueries = 4;

constexpr const char* kProjection = "projection.weight";

// Of what a pooling or projection learns.
FloatTensor initial(const ParameterInfo& parameter) {
  std::int64_t count = 1;
  for (const std::int64_t size : parameter.shape) count *= size;
  FloatTensor tensor{parameter.name, parameter.shape,
                     std::vector<float>(static_cast<std::size_t>(count))};
  // The last layer has e^4 times the weight of another: what the checkpoint pools, nearly.
  if (parameter.name == "pooling.scores") tensor.values.back() = 4 / kLayerScoreScale;
  // With an output of zero the vector is the last layer's mean, and queries that differ learn
  // apart.
  if (parameter.name == "pooling.queries") {
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0, 1);
    for (float& value : tensor.values) value = normal(random);
  }
  // The unit matrix's leading rows.
  if (parameter.name == kProjection)
    for (std::int64_t i = 0; i < std::min(parameter.shape[0], parameter.shape[1]); ++i)
      tensor.values[static_cast<std::size_t>(i * (parameter.shape[1] + 1))] = 1;
  return tensor;
}

std::string read_tokenizer(const fs::path& folder) {
  const fs::path json_file = folder / "tokenizer.json", vocabulary = folder / "vocab.txt";
  if (fs::exists(json_file)) return read_file(json_file);
  const fs::path config = folder / "tokenizer_config.json";
  return tokenizer_json_of(read_file(vocabulary), fs::exists(config) ? read_file(config) : "",
                           config.string());
}

}  // namespace

TransformerShape read_shape(std::string_view text, const std::string& source) {
  const Settings config(text, source);
  const std::string type = config.text("model_type", "");
  if (type != "bert" && type != "distilbert")
    config.unknown("model_type", type, "bert (MiniLM's as well) and distilbert");
  const TransformerShape shape = type == "bert" ? bert_shape(config) : distilbert_shape(config);
  ensure(shape.hidden % shape.heads == 0, ErrorKind::kCorrupt,
         fmt::format("reading {}: {} hidden values cannot be shared by {} heads; fetch the weights "
                     "again",
                     source, shape.hidden, shape.heads));
  return shape;
}

std::vector<ParameterInfo> parameters_of(const TransformerShape& s, Pooling pooling) {
  std::vector<ParameterInfo> all;
  const std::int64_t hidden = s.hidden, inner = s.intermediate;
  const std::string embeddings = "embeddings.";
  all.push_back({embeddings + "word_embeddings.weight", {s.vocabulary, hidden}});
  all.push_back({embeddings + "position_embeddings.weight", {s.positions, hidden}});
  if (s.types > 0) all.push_back({embeddings + "token_type_embeddings.weight", {s.types, hidden}});
  all.push_back({embeddings + "LayerNorm.weight", {hidden}});
  all.push_back({embeddings + "LayerNorm.bias", {hidden}});
  const bool bert = s.family == Family::kBert;
  for (int layer = 0; layer < s.layers; ++layer)
    for (int part = 0; part < 8; ++part) {
      const std::string name = fmt::format("{}.layer.{}.{}", bert ? "encoder" : "transformer",
                                           layer, bert ? kBertParts[part] : kDistilBertParts[part]);
      const std::int64_t rows = part == 5 ? inner : hidden, columns = part == 6 ? inner : hidden;
      const bool normalisation = part == 4 || part == 7;
      all.push_back({name + ".weight", normalisation ? std::vector<std::int64_t>{hidden}
                                                     : std::vector<std::int64_t>{rows, columns}});
      all.push_back({name + ".bias", {rows}});
    }
  if (pooling == Pooling::kLayers) all.push_back({"pooling.scores", {s.layers}});
  if (pooling == Pooling::kAttention) {
    all.push_back({"pooling.layers", {s.layers, hidden}});
    all.push_back({"pooling.queries", {kPoolingQueries, hidden}});
    all.push_back({"pooling.output.weight", {hidden, kPoolingQueries * hidden}});
    all.push_back({"pooling.output.bias", {hidden}});
  }
  if (s.projection > 0) {
    all.push_back({kProjection, {s.projection, hidden}});
    all.push_back({"projection.bias", {s.projection}});
  }
  return all;
}

std::vector<FloatTensor> read_parameters(const TransformerShape& shape,
                                         const SafetensorsReader& file, Pooling pooling) {
  std::vector<FloatTensor> all;
  const std::string own = shape.family == Family::kBert ? "bert." : "distilbert.";
  const std::vector<ParameterInfo> wanted = parameters_of(shape, pooling);
  const std::string prefix = file.find(own + wanted.front().name) != nullptr ? own : "";
  for (const ParameterInfo& parameter : wanted) {
    const bool own_part =
        parameter.name.starts_with("pooling.") || parameter.name.starts_with("projection.");
    if (own_part && file.find(parameter.name) == nullptr)
      all.push_back(initial(parameter));
    else
      all.push_back({parameter.name, parameter.shape,
                     file.floats((own_part ? "" : prefix) + parameter.name, parameter.shape)});
  }
  return all;
}

TransformerCheckpoint read_checkpoint(const fs::path& folder) {
  TransformerCheckpoint checkpoint;
  checkpoint.config = read_file(folder / "config.json");
  const TransformerShape shape = read_shape(checkpoint.config, (folder / "config.json").string());
  checkpoint.tokenizer = read_tokenizer(folder);
  checkpoint.weights = read_file(folder / "model.safetensors");
  const fs::path modules = folder / "modules.json";
  const std::string dense = fs::exists(modules) ? dense_module(modules) : "";
  if (!dense.empty()) read_dense(folder / dense, shape.hidden, checkpoint);
  if (fs::exists(pooling_file(folder))) checkpoint.pooling = read_pooling(pooling_file(folder));
  checkpoint.max_tokens = shape.positions;
  const fs::path sentence = folder / "sentence_bert_config.json";
  if (fs::exists(sentence)) {
    const Settings settings(read_file(sentence), sentence.string());
    if (settings.number("max_seq_length", 0) > 0)
      checkpoint.max_tokens =
          std::min(checkpoint.max_tokens, settings.count("max_seq_length", kMostRows));
  }
  return checkpoint;
}

std::vector<FloatTensor> parameters_in(const TransformerCheckpoint& checkpoint,
                                       const TransformerShape& shape, Pooling pooling) {
  const auto reader_of = [](const std::string& file, const char* name) {
    return SafetensorsReader(std::as_bytes(std::span(file.data(), file.size())), name);
  };
  const SafetensorsReader weights = reader_of(checkpoint.weights, "model.safetensors");
  std::vector<FloatTensor> all = read_parameters(shape, weights, pooling);
  if (shape.projection == 0 || checkpoint.dense.empty() || weights.find(kProjection) != nullptr)
    return all;
  const SafetensorsReader dense = reader_of(checkpoint.dense, "the Dense module's safetensors");
  FloatTensor &weight = all[all.size() - 2], &bias = all.back();
  weight.values = dense.floats("linear.weight", weight.shape);
  if (dense.find("linear.bias") != nullptr) bias.values = dense.floats("linear.bias", bias.shape);
  return all;
}

Pooling pooling_named(std::string_view name) {
  for (const Pooling pooling : {Pooling::kMean, Pooling::kCls, Pooling::kLast, Pooling::kMax,
                                Pooling::kLayers, Pooling::kAttention})
    if (name_of(pooling) == name) return pooling;
  throw Error(ErrorKind::kInvalidInput,
              fmt::format("transformer.pooling is \"{}\", but must be auto, mean, cls, last, max, "
                          "layers or attention",
                          name));
}

std::string_view name_of(Pooling pooling) {
  constexpr std::string_view kNames[] = {"mean", "cls", "last", "max", "layers", "attention"};
  return kNames[static_cast<int>(pooling)];
}

}  // namespace dexter
