// What a teacher says of a corpus, before the student learns from it.
#include "engine/teaching.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <string>
#include <vector>

#include "engine/encoding_chunk.h"
#include "storage/catalog.h"

namespace dexter {

Teacher load_teacher(const TeacherOptions& options, const TrainingSet& set,
                     const Progress& progress) {
  ensure(set.text_kind == TextKind::kNatural, ErrorKind::kInvalidInput,
         "asking a teacher: the corpus has sparse features, but a teacher reads text; leave "
         "teacher.store empty");
  const Catalog catalog = Catalog::open(options.store, OpenMode::kRead);
  ensure(
      catalog.manifest().trained.has_value(), ErrorKind::kNotFound,
      fmt::format("asking a teacher: {} has no encoder; run `dexter train` there", options.store));
  const auto encoder = load_encoder(catalog.path(), catalog.manifest().trained->file);
  Teacher teacher{options, encoder->fingerprint(), {}, encoder->encode_labels(set.labels)};
  const std::size_t documents = set.train.size(), known = documents + set.labels.size();
  const std::size_t rows = known + set.guessed.size();
  const auto text = [&](std::size_t i) {
    if (i < documents) return set.train[i].text;
    return i < known ? set.labels[i - documents].text : set.guessed[i - known].text;
  };
  teacher.documents = encode_in_parts(*encoder, rows, text, [&](std::size_t done) {
    if (done < rows) progress.check("asking the teacher");
    if (done > 0) progress.update({"asking the teacher", done, rows, "documents", {}});
  });
  return teacher;
}

}  // namespace dexter
