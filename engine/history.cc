// The note "history": how the store's encoder was trained.
#include "engine/history.h"

#include <boost/json.hpp>
#include <optional>

#include <spdlog/fmt/fmt.h>

#include "storage/error.h"

namespace dexter {
namespace {

namespace json = boost::json;

json::object object_of(const EpochRecord& epoch) {
  return {{"epoch", epoch.epoch},
          {"loss", epoch.loss},
          {"validation_p1", epoch.validation_p1},
          {"validation_p5", epoch.validation_p5},
          {"learning_rate", epoch.learning_rate},
          {"seconds", epoch.seconds},
          {"documents_per_second", epoch.documents_per_second},
          {"resident_bytes", epoch.resident_bytes},
          {"chunk_tokens", epoch.chunk_tokens},
          {"waiting", epoch.waiting},
          {"pretraining", epoch.pretraining},
          {"band_shares", json::value_from(epoch.band_shares)}};
}

EpochRecord epoch_of(const json::object& object) {
  EpochRecord epoch;
  epoch.epoch = object.at("epoch").to_number<int>();
  epoch.loss = object.at("loss").to_number<double>();
  epoch.validation_p1 = object.at("validation_p1").to_number<double>();
  epoch.validation_p5 = object.at("validation_p5").to_number<double>();
  epoch.learning_rate = object.at("learning_rate").to_number<double>();
  epoch.seconds = object.at("seconds").to_number<double>();
  epoch.documents_per_second = object.at("documents_per_second").to_number<double>();
  epoch.resident_bytes = object.at("resident_bytes").to_number<std::uint64_t>();
  if (const json::value* tokens = object.if_contains("chunk_tokens"))
    epoch.chunk_tokens = tokens->to_number<std::size_t>();
  if (const json::value* percent = object.if_contains("waiting"))
    epoch.waiting = percent->to_number<double>();
  if (const json::value* stage = object.if_contains("pretraining"))
    epoch.pretraining = stage->as_bool();
  if (const json::value* shares = object.if_contains("band_shares"))
    epoch.band_shares = json::value_to<std::array<double, 3>>(*shares);
  return epoch;
}

}  // namespace

std::string to_json(const TrainReport& report) {
  json::array epochs;
  for (const EpochRecord& epoch : report.history) epochs.push_back(object_of(epoch));
  return json::serialize(json::object{{"fingerprint", report.encoder.fingerprint},
                                      {"best_epoch", report.best_epoch},
                                      {"stopped_early", report.stopped_early},
                                      {"resumed", report.resumed},
                                      {"seconds", report.seconds},
                                      {"epochs", std::move(epochs)}});
}

TrainReport train_report_from_json(std::string_view text) {
  try {
    const json::value parsed = json::parse({text.data(), text.size()});
    const json::object& object = parsed.as_object();
    TrainReport report;
    report.encoder.fingerprint = std::string_view(object.at("fingerprint").as_string());
    report.best_epoch = object.at("best_epoch").to_number<int>();
    report.stopped_early = object.at("stopped_early").as_bool();
    report.resumed = object.at("resumed").as_bool();
    report.seconds = object.at("seconds").to_number<double>();
    for (const json::value& epoch : object.at("epochs").as_array())
      report.history.push_back(epoch_of(epoch.as_object()));
    return report;
  } catch (const std::exception& error) {
    throw Error(ErrorKind::kCorrupt,
                fmt::format("reading the training history: the note \"history\" cannot be "
                            "understood ({}); train again to replace it",
                            error.what()));
  }
}

TrainReport training_history(const Catalog& catalog) {
  const std::optional<EncoderInfo>& trained = catalog.manifest().trained;
  const std::optional<std::string> note = catalog.note("history");
  if (!trained || !note) return {};
  TrainReport report = train_report_from_json(*note);
  if (report.encoder.fingerprint != trained->fingerprint) return {};
  report.encoder = *trained;
  return report;
}

}  // namespace dexter
