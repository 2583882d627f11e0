#pragma once

#include <string>
#include <vector>

#include "encoders/trainer.h"
#include "engine/config.h"
#include "engine/evaluator.h"
#include "engine/retrieval_engine.h"
#include "storage/manifest.h"

namespace dexter {

// What an evaluation page shows.
struct ReportPage {
  std::string title;     // heading: the store's name
  std::string part;      // what was evaluated: "test part", or a file's name
  Manifest manifest;     // facts of corpus, encoder and index
  TrainReport training;  // `history` may be empty; the page then has no training curves
  std::vector<ConfigField> config;
  Report report;
};

// Gathers the page of a finished evaluation from the store the engine has open.
ReportPage report_page(const RetrievalEngine& engine, Report report, std::string part);

// One self-contained HTML document: inline style and SVG, no scripts, nothing fetched. Reads well
// on paper, on a narrow screen and in dark mode. All text from the store is escaped.
std::string html_report(const ReportPage& page);

}  // namespace dexter
