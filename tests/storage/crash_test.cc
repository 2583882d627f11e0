// Kills a process at every named step and at random moments of every change to a store. What the
// next process finds is the old state or the new one, whole.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "storage/codec.h"
#include "storage/record_store.h"
#include "tests/storage/store_fixtures.h"

namespace dexter {
namespace {

using namespace dexter::testing;  // NOLINT
using ::testing::AnyOf;
using ::testing::ElementsAreArray;
using ::testing::Eq;
using ::testing::IsEmpty;

namespace fs = std::filesystem;

constexpr const char* kScenarios[] = {"create",     "import",       "build_generation",
                                      "add_labels", "remove_label", "add_documents",
                                      "put_note"};

using Environment = std::map<std::string, std::string>;

pid_t start(const fs::path& store, const std::string& scenario, const Environment& environment) {
  std::vector<std::string> variables;
  for (const auto& [name, value] : environment) variables.push_back(name + "=" + value);
  for (char** inherited = environ; *inherited != nullptr; ++inherited)
    variables.emplace_back(*inherited);
  std::vector<char*> pointers;
  for (std::string& variable : variables) pointers.push_back(variable.data());
  pointers.push_back(nullptr);
  std::string program = DEXTER_CRASH_CHILD;
  std::string folder = store.string();
  std::string name = scenario;
  char* const arguments[] = {program.data(), folder.data(), name.data(), nullptr};
  pid_t child = 0;
  const int failed =
      ::posix_spawn(&child, program.c_str(), nullptr, nullptr, arguments, pointers.data());
  EXPECT_EQ(failed, 0) << std::strerror(failed);
  return child;
}

int status_of(pid_t child) {
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

int run(const fs::path& store, const std::string& scenario, const Environment& environment = {}) {
  return status_of(start(store, scenario, environment));
}

bool was_killed(int status) { return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL; }

// The state before a scenario: no folder for "create", else a corpus, a generation, a label added
// to it and a note.
TempDir store_before(const std::string& scenario) {
  TempDir folder;
  if (scenario == "create") return folder;
  static const TempDir made = [] {
    TempDir first;
    Catalog catalog = Catalog::open(first / "s", OpenMode::kCreate);
    import_tiny_corpus(catalog);
    commit_generation(catalog, 1);
    catalog.put_labels(std::vector<Label>{{LabelId{}, "new", "New", "new"}}, tiny_vectors(1));
    catalog.put_note("history", "[1]");
    return first;
  }();
  fs::copy(made.path(), folder.path(), fs::copy_options::recursive);
  if (scenario == "add_documents") {
    Catalog catalog = Catalog::open(folder / "s", OpenMode::kWrite);
    commit_documents(catalog, 2);
  }
  return folder;
}

std::string state_or_absence_of(const fs::path& store) {
  if (const auto error = error_of([&] { Catalog::open(store, OpenMode::kRead); })) {
    if (error->kind() == ErrorKind::kNotFound) return "no store";
  }
  return state_of(store);
}

// The state before and after a scenario that nothing disturbs.
struct States {
  std::string before;
  std::string after;
};

const States& states_of(const std::string& scenario) {
  static std::map<std::string, States> known;
  const auto [found, added] = known.try_emplace(scenario);
  if (added) {
    const TempDir folder = store_before(scenario);
    found->second.before = state_or_absence_of(folder / "s");
    EXPECT_EQ(run(folder / "s", scenario), 0);
    found->second.after = state_of(folder / "s");
    EXPECT_NE(found->second.before, found->second.after);
  }
  return found->second;
}

std::set<std::string> files_beside_the_catalog(const fs::path& store) {
  std::set<std::string> names;
  for (const char* folder : {"encoders", "index", "train"}) {
    std::error_code absent;
    for (const auto& entry : fs::directory_iterator(store / folder, absent))
      names.insert(entry.path().lexically_relative(store).generic_string());
  }
  return names;
}

std::set<std::string> files_named_by(const Manifest& manifest) {
  std::set<std::string> names;
  if (manifest.generation)
    names = {manifest.generation->encoder.file.name, manifest.generation->label_index.name};
  if (manifest.generation && manifest.generation->documents)
    names.insert(
        {manifest.generation->documents->index.name, manifest.generation->documents->table.name});
  return names;
}

// Records of a former or an uncommitted corpus.
std::uint64_t stale_records_in(const fs::path& store) {
  const auto corpus = Catalog::open(store, OpenMode::kRead).manifest().corpus;
  const KeyRange current = codec::corpus_range(corpus ? corpus->number : 0);
  const RecordStore records(store / "catalog", RecordStore::Access::kRead);
  std::uint64_t stale = 0;
  for (std::size_t i = 1; i < kFamilies; ++i)
    records.scan(static_cast<Family>(i), {"", std::string(5, '\xff')},
                 [&](std::string_view key, std::string_view) {
                   stale += key < current.begin || key >= current.end;
                   return true;
                 });
  return stale;
}

// A reader and a writer both find one of the two states.
void expect_old_or_new(const fs::path& store, const std::string& scenario) {
  const States& states = states_of(scenario);
  const std::string found = state_or_absence_of(store);
  ASSERT_THAT(found, AnyOf(Eq(states.before), Eq(states.after)));
  if (found != "no store") Catalog::open(store, OpenMode::kWrite);
  EXPECT_EQ(state_or_absence_of(store), found);
}

// A reader, `verify` and a writer all find one of the two states, and nothing is left lying about.
void expect_whole(const fs::path& store, const std::string& scenario) {
  const States& states = states_of(scenario);
  const std::string found = state_or_absence_of(store);
  ASSERT_THAT(found, AnyOf(Eq(states.before), Eq(states.after)));
  if (found != "no store") {
    for (const Damage& damage : verify_store(store)) ADD_FAILURE() << damage.file << damage.what;
    const Manifest manifest = Catalog::open(store, OpenMode::kWrite).manifest();
    EXPECT_EQ(files_beside_the_catalog(store), files_named_by(manifest));
    EXPECT_EQ(stale_records_in(store), 0u);
  }
  EXPECT_EQ(state_or_absence_of(store), found);
  if (found == states.before) {
    EXPECT_EQ(run(store, scenario), 0);
    EXPECT_EQ(state_of(store), states.after);
  }
}

struct Step {
  std::string scenario;
  std::string step;  // NAME, or NAME:N for the Nth visit
};

void PrintTo(const Step& step, std::ostream* out) { *out << step.scenario << ' ' << step.step; }

// The steps that a scenario passes, in order; CrashSteps.AreAllOfThem compares the list with a run.
std::vector<std::string> steps_of(const std::string& scenario) {
  static const std::vector<std::string> kFile = {
      "section_file.before_sync", "section_file.before_check", "section_file.before_rename",
      "section_file.after_rename", "section_file.committed"};
  static const std::map<std::string, std::vector<std::string>> kOwn = {
      {"import",
       {"corpus.batch_written", "corpus.batch_written", "corpus.before_flush", "corpus.flushed",
        "corpus.before_commit", "corpus.committed", "corpus.cleaned"}},
      {"add_labels", {"labels.before_write", "labels.written"}},
      {"add_documents", {"documents.before_write", "documents.written"}},
      {"remove_label", {"labels.before_write", "labels.written"}},
      {"put_note", {"catalog.before_note", "catalog.note_written"}}};
  std::vector<std::string> steps;
  const auto add = [&](const std::vector<std::string>& more) {
    steps.insert(steps.end(), more.begin(), more.end());
  };
  if (scenario == "create") add({"catalog.before_create", "catalog.created"});
  add({"catalog.seal_removed", "catalog.opened"});
  if (scenario == "build_generation") {
    add(kFile);
    add({"catalog.vectors_written"});
    add(kFile);
    add({"catalog.before_commit", "catalog.after_commit", "catalog.files_removed"});
  } else if (scenario != "create") {
    add(kOwn.at(scenario));
  }
  add({"catalog.before_close", "catalog.closed", "seal.before_write", "seal.written"});
  return steps;
}

std::vector<Step> all_steps() {
  std::vector<Step> steps;
  for (const char* scenario : kScenarios) {
    std::map<std::string, int> visits;
    for (const std::string& step : steps_of(scenario)) {
      const int visit = ++visits[step];
      steps.push_back({scenario, visit == 1 ? step : step + ":" + std::to_string(visit)});
    }
  }
  return steps;
}

class CrashAtStep : public ::testing::TestWithParam<Step> {};

TEST_P(CrashAtStep, LeavesTheOldStateOrTheNewOne) {
  const auto& [scenario, step] = GetParam();
  const TempDir folder = store_before(scenario);
  ASSERT_TRUE(was_killed(run(folder / "s", scenario, {{"DEXTER_CRASH_AT", step}})));
  expect_whole(folder / "s", scenario);
}

class CrashSteps : public ::testing::TestWithParam<const char*> {};

TEST_P(CrashSteps, AreAllOfThem) {
  const TempDir folder = store_before(GetParam());
  const std::string list = folder / "steps";
  ASSERT_EQ(run(folder / "s", GetParam(), {{"DEXTER_CRASH_LIST", list}}), 0);
  std::istringstream lines(read_bytes(list));
  const std::vector<std::string> found{std::istream_iterator<std::string>(lines), {}};
  EXPECT_THAT(found, ElementsAreArray(steps_of(GetParam())));
}

// Kills at three moments spread over the time that the scenario takes.
TEST_P(CrashSteps, AreNotNeededAtRandomMoments) {
  using Clock = std::chrono::steady_clock;
  const std::string scenario = GetParam();
  std::mt19937 random(17);
  const TempDir timed = store_before(scenario);
  const auto begin = Clock::now();
  ASSERT_EQ(run(timed / "s", scenario), 0);
  const auto duration = Clock::now() - begin;
  for (int round = 0; round < 3; ++round) {
    const TempDir folder = store_before(scenario);
    const double share = std::uniform_real_distribution<>(0, 1)(random);
    const pid_t child = start(folder / "s", scenario, {});
    std::this_thread::sleep_for(std::chrono::duration_cast<Clock::duration>(duration * share));
    ::kill(child, SIGKILL);
    status_of(child);
    expect_whole(folder / "s", scenario);
  }
}

// A number alone does not name a file: a new file takes that of a removed one.
using FileIdentity = std::array<std::uint64_t, 3>;  // inode, seconds and nanoseconds of birth

FileIdentity identity_of(const fs::path& file) {
  struct statx status {};
  EXPECT_EQ(::statx(AT_FDCWD, file.c_str(), 0, STATX_BTIME | STATX_INO, &status), 0);
  return {status.stx_ino, static_cast<std::uint64_t>(status.stx_btime.tv_sec),
          status.stx_btime.tv_nsec};
}

std::set<FileIdentity> files_below(const fs::path& folder) {
  std::set<FileIdentity> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    files.insert(identity_of(entry.path()));
  return files;
}

// As at a power cut: every file falls back to what was synced of it when the process was killed.
void drop_unsynced_bytes(const fs::path& store, const std::set<FileIdentity>& files_before,
                         const fs::path& log) {
  std::map<FileIdentity, std::uint64_t> synced;
  const std::string records = read_bytes(log);
  for (std::size_t at = 0; at + 32 <= records.size(); at += 32) {
    std::uint64_t record[4];
    std::memcpy(record, &records[at], sizeof record);
    synced[{record[0], record[1], record[2]}] = record[3];
  }
  for (const auto& entry : fs::recursive_directory_iterator(store)) {
    if (!entry.is_regular_file()) continue;
    const FileIdentity file = identity_of(entry.path());
    const auto found = synced.find(file);
    if (found == synced.end() && files_before.contains(file)) continue;
    const std::uint64_t kept = found == synced.end() ? 0 : found->second;
    if (kept < entry.file_size()) fs::resize_file(entry.path(), kept);
  }
}

TEST_P(CrashAtStep, LosesNothingAcknowledgedWhenThePowerFails) {
  const auto& [scenario, step] = GetParam();
  const TempDir folder = store_before(scenario);
  const auto before = files_below(folder.path());
  const fs::path log = folder / "synced";
  ASSERT_TRUE(was_killed(run(folder / "s", scenario,
                             {{"DEXTER_CRASH_AT", step}, {"DEXTER_TEST_SYNCED", log.string()}})));
  drop_unsynced_bytes(folder / "s", before, log);
  expect_old_or_new(folder / "s", scenario);
  static const std::set<std::string> kAcknowledged = {
      "corpus.committed",     "corpus.cleaned",        "labels.written", "catalog.note_written",
      "catalog.after_commit", "catalog.files_removed", "catalog.closed", "seal.written"};
  if (kAcknowledged.contains(step)) {
    EXPECT_EQ(state_of(folder / "s"), states_of(scenario).after);
  }
}

// From the Nth write on the disk is full. The change fails with kIo or has happened; the store
// opens.
TEST_P(CrashSteps, AreNotNeededWhenTheDiskIsFull) {
  const std::string scenario = GetParam();
  for (const int writes : {1, 5, 13, 21, 34, 55}) {
    SCOPED_TRACE(writes);
    const TempDir folder = store_before(scenario);
    const int status =
        run(folder / "s", scenario, {{"DEXTER_TEST_DISK_FULL", std::to_string(writes)}});
    ASSERT_TRUE(WIFEXITED(status));
    ASSERT_THAT(WEXITSTATUS(status), AnyOf(Eq(0), Eq(10 + static_cast<int>(ErrorKind::kIo))));
    if (WEXITSTATUS(status) == 0) {
      EXPECT_EQ(state_of(folder / "s"), states_of(scenario).after);
    }
    expect_whole(folder / "s", scenario);
  }
}

INSTANTIATE_TEST_SUITE_P(Every, CrashAtStep, ::testing::ValuesIn(all_steps()),
                         [](const auto& each) {
                           std::string name = each.param.scenario + "_" + each.param.step;
                           for (char& letter : name)
                             if (std::isalnum(static_cast<unsigned char>(letter)) == 0)
                               letter = '_';
                           return name;
                         });

INSTANTIATE_TEST_SUITE_P(Every, CrashSteps, ::testing::ValuesIn(kScenarios));

}  // namespace
}  // namespace dexter
