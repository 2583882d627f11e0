#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <vector>

#include "storage/types.h"

// A corpus small enough to hold in the head: 12 labels, 32 training and 8 test documents of plain
// English. Words of a label's text occur in its documents, so that a trained encoder finds every
// test document's labels. The label "astronomy" (id 11) has no training document and one test
// document. Ids are those an import gives: labels from 0, documents from 0 with the test part last.
namespace dexter::tiny {

inline constexpr std::uint32_t kLabels = 12;
inline constexpr std::size_t kTrainDocuments = 32;
inline constexpr std::size_t kTestDocuments = 8;

inline std::vector<Label> labels() {
  const char* const rows[kLabels][3] = {
      {"animals", "Animals", "animals such as cats, dogs, horses and birds"},
      {"cooking", "Cooking", "cooking, recipes, baking bread and soup in the kitchen"},
      {"football", "Football", "football matches, goals and the players of a team"},
      {"music", "Music", "music, songs, piano, violin and concerts"},
      {"weather", "Weather", "weather, rain, snow, wind and storms"},
      {"railways", "Railways", "railways, trains, stations and tickets"},
      {"medicine", "Medicine", "medicine, doctors, hospitals and patients"},
      {"money", "Money", "money, banks, prices and taxes"},
      {"computers", "Computers", "computers, programs, keyboards and networks"},
      {"school", "School", "school, teachers, pupils and lessons"},
      {"gardening", "Gardening", "gardening, flowers, soil and vegetables"},
      {"astronomy", "Astronomy", "astronomy, stars, planets and telescopes"},
  };
  std::vector<Label> result;
  for (std::uint32_t i = 0; i < kLabels; ++i)
    result.push_back({LabelId{i}, rows[i][0], rows[i][1], rows[i][2]});
  return result;
}

namespace detail {

struct Row {
  const char* text;
  std::initializer_list<std::uint32_t> labels;
};

inline std::vector<Example> examples(const char* prefix, std::uint64_t first_id,
                                     std::initializer_list<Row> rows) {
  std::vector<Example> result;
  for (const Row& row : rows) {
    Example example;
    example.id = DocumentId{first_id + result.size()};
    example.key = prefix + std::to_string(result.size());
    example.text = row.text;
    for (const std::uint32_t label : row.labels) example.labels.push_back(LabelId{label});
    result.push_back(std::move(example));
  }
  return result;
}

inline std::string quoted(const std::string& text) { return '"' + text + '"'; }  // plain ASCII only

}  // namespace detail

// Keys "train-0" ... "train-31".
inline std::vector<Example> train() {
  return detail::examples(
      "train-", 0,
      {
          {"The grey cat slept on the warm window sill all afternoon.", {0}},
          {"Two dogs chased a rabbit across the field.", {0}},
          {"A horse and its foal stood quietly under the trees.", {0}},
          {"Small birds sing in the garden before sunrise.", {0, 10}},
          {"Stir the soup slowly and add salt at the end.", {1}},
          {"She baked two loaves of bread in the old kitchen oven.", {1}},
          {"This recipe needs three eggs, some flour and a little butter.", {1}},
          {"Fresh vegetables from the garden make the best soup.", {1, 10}},
          {"The team scored two goals in the last ten minutes of the match.", {2}},
          {"Both players were sent off after the football match.", {2}},
          {"The goalkeeper stopped every shot and the team won the cup.", {2}},
          {"The football match was stopped because of heavy rain.", {2, 4}},
          {"She plays the violin in a small orchestra.", {3}},
          {"The concert ended with a slow song for piano and voice.", {3}},
          {"He wrote the music for three films last year.", {3}},
          {"Our school choir sings songs at the winter concert.", {3, 9}},
          {"Heavy snow and strong wind are expected in the north tonight.", {4}},
          {"The storm brought rain and hail to the coast.", {4}},
          {"Trains were late because snow covered the railway line.", {4, 5}},
          {"The express train leaves the central station at noon.", {5}},
          {"Railway tickets can be bought at the station or on the train.", {5}},
          {"Ticket prices on the railways rise again in January.", {5, 7}},
          {"The doctor examined the patient and prescribed a new medicine.", {6}},
          {"Nurses at the hospital care for many patients every night.", {6}},
          {"The hospital bill was more money than the patient could pay.", {6, 7}},
          {"The bank lowered its interest rate on savings.", {7}},
          {"Higher taxes and prices leave families with less money.", {7}},
          {"The computer program crashed when I pressed a key.", {8}},
          {"A new keyboard and a faster network arrived for every computer.", {8}},
          {"Pupils learn to write computer programs in their lessons.", {8, 9}},
          {"The teacher gave the pupils a lesson about rivers.", {9}},
          {"Plant the flowers in moist soil and water them every morning.", {10}},
      });
}

// Keys "test-0" ... "test-7".
inline std::vector<Example> test() {
  return detail::examples("test-", kTrainDocuments,
                          {
                              {"A cat and two dogs share the same basket.", {0}},
                              {"Add salt to the bread before it goes into the oven.", {1}},
                              {"The players celebrated the late goals of their team.", {2}},
                              {"A piano concert with old songs.", {3}},
                              {"Rain and wind delayed every train at the station.", {4, 5}},
                              {"The doctor sent the patient to the hospital.", {6}},
                              {"School lessons about computer networks.", {8, 9}},
                              {"Through the telescope we saw the stars and a planet.", {11}},
                          });
}

struct Files {
  std::filesystem::path train;
  std::filesystem::path test;
  std::filesystem::path labels;
};

// Writes train.jsonl, test.jsonl and labels.jsonl into the existing folder.
inline Files write_jsonl(const std::filesystem::path& folder) {
  const Files files{folder / "train.jsonl", folder / "test.jsonl", folder / "labels.jsonl"};
  const std::vector<Label> all = labels();
  std::ofstream label_file(files.labels);
  for (const Label& label : all)
    label_file << "{\"id\":" << detail::quoted(label.key)
               << ",\"name\":" << detail::quoted(label.name)
               << ",\"text\":" << detail::quoted(label.text) << "}\n";
  const auto write = [&](const std::filesystem::path& file, const std::vector<Example>& examples) {
    std::ofstream out(file);
    for (const Example& example : examples) {
      out << "{\"id\":" << detail::quoted(example.key)
          << ",\"text\":" << detail::quoted(example.text) << ",\"labels\":[";
      for (std::size_t i = 0; i < example.labels.size(); ++i)
        out << (i == 0 ? "" : ",") << detail::quoted(all[value(example.labels[i])].key);
      out << "]}\n";
    }
  };
  write(files.train, train());
  write(files.test, test());
  return files;
}

}  // namespace dexter::tiny
