#include "engine/config.h"

#include <filesystem>
#include <functional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/error.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// The message of the kInvalidInput error that `action` throws, or what else came.
std::string invalid_input(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.kind() == ErrorKind::kInvalidInput ? error.what() : "another kind of error";
  }
  return "no error";
}

const ConfigField& field(const std::vector<ConfigField>& fields, const std::string& key) {
  for (const ConfigField& candidate : fields)
    if (candidate.key == key) return candidate;
  ADD_FAILURE() << "no field " << key;
  return fields.front();
}

// A value of the same type as `value`, and another one.
std::string changed(const std::string& value) {
  if (value == "true") return "false";
  if (value == "false") return "true";
  if (value.find_first_not_of("0123456789") == std::string::npos && !value.empty())
    return std::to_string(std::stoi(value) + 1);
  if (value.find_first_not_of("0123456789.e-") == std::string::npos && !value.empty())
    return "0.123456789012345";
  return value + " \"quoted\" \xc3\xa4";
}

TEST(Config, DescribesEveryFieldWithItsDefault) {
  for (const ConfigField& described : describe(Config{})) {
    EXPECT_EQ(described.value, described.default_value) << described.key;
    EXPECT_FALSE(described.description.empty()) << described.key;
  }
  EXPECT_EQ(field(describe(Config{}), "index.kind").value, "auto");
  EXPECT_EQ(field(describe(Config{}), "index.recall").value, "0.99");
  EXPECT_EQ(field(describe(Config{}), "runtime.threads").value, "0");
}

TEST(Config, EveryFieldSurvivesAssignmentAndJson) {
  for (const ConfigField& described : describe(Config{})) {
    SCOPED_TRACE(described.key);
    Config config;
    const std::string wanted = changed(described.value);
    merge_assignment(config, described.key + "=" + wanted);
    Config read;
    merge_json(read, to_json(config), "the test");
    const std::vector<ConfigField> fields = describe(read);
    EXPECT_EQ(field(fields, described.key).value, wanted);
    EXPECT_EQ(field(fields, described.key).default_value, described.default_value);
    EXPECT_EQ(to_json(read), to_json(config));
  }
}

TEST(Config, ReadsNestedAndDottedKeysAndLeavesTheRest) {
  Config config;
  config.runtime.threads = 3;
  merge_json(config, R"({"index": {"kind": "ivf", "recall": 1}, "index.probes": 5})", "the test");
  EXPECT_EQ(config.index.kind, "ivf");
  EXPECT_DOUBLE_EQ(config.index.recall, 1.0);
  EXPECT_EQ(config.index.probes, 5);
  EXPECT_EQ(config.runtime.threads, 3);
}

TEST(Config, NamesTheNearestKeyOfAnUnknownOne) {
  Config config;
  EXPECT_THAT(invalid_input([&] { merge_assignment(config, "index.prbes=3"); }),
              AllOf(HasSubstr("'index.prbes'"), HasSubstr("nearest is 'index.probes'")));
  EXPECT_THAT(invalid_input([&] { merge_assignment(config, "probe=3"); }),
              HasSubstr("nearest is 'index.probes'"));
  EXPECT_THAT(invalid_input([&] { merge_json(config, R"({"runtime": {"thread": 3}})", "a.json"); }),
              AllOf(HasSubstr("a.json"), HasSubstr("nearest is 'runtime.threads'")));
}

TEST(Config, NamesBothTypesOfAWrongOne) {
  Config config;
  EXPECT_THAT(invalid_input([&] { merge_assignment(config, "index.probes=many"); }),
              AllOf(HasSubstr("'many'"), HasSubstr("a whole number is expected")));
  EXPECT_THAT(invalid_input([&] { merge_json(config, R"({"index": {"kind": 7}})", "a.json"); }),
              AllOf(HasSubstr("index.kind is 7"), HasSubstr("a string is expected")));
  EXPECT_THAT(invalid_input([&] { merge_json(config, R"({"index.recall": "much"})", "a.json"); }),
              AllOf(HasSubstr("the string \"much\""), HasSubstr("a number is expected")));
  EXPECT_THAT(invalid_input([&] { merge_json(config, R"({"index": "flat"})", "a.json"); }),
              HasSubstr("no option 'index'"));
}

TEST(Config, RefusesNumbersThatDoNotFit) {
  Config config;
  for (const char* assignment : {"index.probes=99999999999", "index.probes=1.5", "index.probes=",
                                 "index.probes=3x", "index.recall=nan", "index.recall=1e999"})
    EXPECT_THAT(invalid_input([&] { merge_assignment(config, assignment); }),
                HasSubstr("is expected"))
        << assignment;
  for (const char* json : {R"({"index.probes": 99999999999})", R"({"index.probes": 1.5})"})
    EXPECT_THAT(invalid_input([&] { merge_json(config, json, "a.json"); }),
                HasSubstr("a whole number is expected"))
        << json;
}

TEST(Config, IsUnchangedByAFailedMerge) {
  Config config;
  const std::string before = to_json(config);
  invalid_input(
      [&] { merge_json(config, R"({"index.probes": 5, "index.unknown": 1})", "a.json"); });
  EXPECT_EQ(to_json(config), before);
}

TEST(Config, RefusesWhatIsNoJsonObject) {
  Config config;
  EXPECT_THAT(invalid_input([&] { merge_json(config, R"({"index": )", "a.json"); }),
              AllOf(HasSubstr("a.json"), HasSubstr("not valid JSON")));
  EXPECT_THAT(invalid_input([&] { merge_json(config, "[1]", "a.json"); }),
              AllOf(HasSubstr("[1]"), HasSubstr("an object is expected")));
}

TEST(Config, ReadsAFileWithComments) {
  const testing::TempDir folder;
  const std::filesystem::path file = folder / "options.json";
  testing::write_bytes(file, "{\n  // exact search\n  \"index\": {\"kind\": \"flat\"}\n}\n");
  Config config;
  merge_file(config, file);
  EXPECT_EQ(config.index.kind, "flat");
  testing::expect_error(
      ErrorKind::kNotFound, [&] { merge_file(config, folder / "absent.json"); }, "absent.json");
}

TEST(Config, AnAssignmentNeedsAKeyAndAnEqualsSign) {
  Config config;
  EXPECT_THAT(invalid_input([&] { merge_assignment(config, "index.kind"); }),
              HasSubstr("KEY=VALUE"));
  EXPECT_THAT(invalid_input([&] { merge_assignment(config, "=flat"); }), HasSubstr("KEY=VALUE"));
}

TEST(Config, AValueMayHoldAnEqualsSign) {
  Config config;
  merge_assignment(config, "index.kind=a=b");
  EXPECT_EQ(config.index.kind, "a=b");
}

TEST(Config, ValidatesEveryPart) {
  Config config;
  EXPECT_EQ(invalid_input([&] { config.validate(); }), "no error");
  config.runtime.threads = -1;
  EXPECT_THAT(invalid_input([&] { config.validate(); }), HasSubstr("runtime.threads is -1"));
  config.runtime.threads = 0;
  config.index.recall = 2;
  EXPECT_THAT(invalid_input([&] { config.validate(); }), HasSubstr("recall"));
}

TEST(Presets, AreValidAndNamedApart) {
  for (const Preset& preset : presets()) {
    Config config;
    apply_preset(config, preset.name);
    EXPECT_EQ(invalid_input([&] { config.validate(); }), "no error") << preset.name;
    EXPECT_EQ(to_json(config) == to_json(Config{}), preset.name == "default") << preset.name;
  }
}

TEST(Presets, NameTheNearestOfAnUnknownOne) {
  Config config;
  EXPECT_THAT(invalid_input([&] { apply_preset(config, "fats"); }),
              AllOf(HasSubstr("'fats'"), HasSubstr("nearest is 'fast'")));
}

}  // namespace
}  // namespace dexter
