// The table of encoder kinds.
#include "encoders/encoder.h"

#include <spdlog/fmt/fmt.h>

#include <utility>

#include "encoders/bag_encoder.h"
#include "encoders/bag_model.h"
#include "encoders/options_text.h"
#include "encoders/trainer.h"
#include "encoders/transformer_encoder.h"

namespace dexter {
namespace {

struct EncoderRow {
  EncoderKind kind;
  std::unique_ptr<Encoder> (*make)(SectionFileReader, std::string fingerprint);
};

constexpr EncoderRow kEncoders[] = {
    {{"bag", "embedding bag of words, word pairs and character n-grams; trains on a CPU"},
     &make_bag_encoder},
    {{"transformer", "a pretrained model of the BERT family; needs --weights"},
     &make_transformer_encoder},
};

}  // namespace

const std::vector<EncoderKind>& encoder_kinds() {
  static const std::vector<EncoderKind> kinds = [] {
    std::vector<EncoderKind> all;
    for (const EncoderRow& row : kEncoders) all.push_back(row.kind);
    return all;
  }();
  return kinds;
}

std::unique_ptr<Encoder> load_encoder(const std::filesystem::path& root, const FileRef& ref) {
  SectionFileReader file(root, ref, "encoder", kEncoderFileVersion);
  const std::string kind = OptionsReader(file.text("options")).value("kind");
  for (const EncoderRow& row : kEncoders)
    if (row.kind.name == kind) return row.make(std::move(file), ref.checksum);
  throw Error(
      ErrorKind::kIncompatible,
      fmt::format("opening {}: its encoder is of kind \"{}\", which this build does not know; "
                  "use a newer dexter",
                  ref.name, kind));
}

}  // namespace dexter
