// WordPiece tokenisation: normalise, split into words, longest pieces first.
#include "encoders/wordpiece.h"

#include <spdlog/fmt/fmt.h>
#include <utf8proc.h>

#include <algorithm>
#include <boost/json.hpp>

#include "encoders/wordpiece_unicode.h"
#include "storage/error.h"

namespace dexter {
namespace {

namespace json = boost::json;

constexpr std::string_view kSpecialTokens[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};

json::object parse_object(std::string_view text, const std::string& source) {
  json::error_code error;
  json::value parsed = json::parse({text.data(), text.size()}, error);
  ensure(!error.failed() && parsed.is_object(), ErrorKind::kCorrupt,
         fmt::format("reading {}: it is no JSON object ({}); fetch the weights again", source,
                     error.message()));
  return std::move(parsed.get_object());
}

const json::object& object_of(const json::object& parent, std::string_view key,
                              const std::string& source) {
  const json::value* found = parent.if_contains(key);
  ensure(found != nullptr && found->is_object(), ErrorKind::kCorrupt,
         fmt::format("reading {}: it has no object \"{}\"; fetch the weights again", source, key));
  return found->get_object();
}

std::string text_of(const json::object& parent, std::string_view key) {
  const json::value* found = parent.if_contains(key);
  return found != nullptr && found->is_string() ? std::string(std::string_view(found->get_string()))
                                                : std::string();
}

// `otherwise` where it is absent or null.
bool flag_of(const json::object& parent, std::string_view key, bool otherwise) {
  const json::value* found = parent.if_contains(key);
  return found != nullptr && found->is_bool() ? found->get_bool() : otherwise;
}

void expect_type(const json::object& part, std::string_view expected, const std::string& source) {
  const std::string found = text_of(part, "type");
  ensure(found == expected, ErrorKind::kIncompatible,
         fmt::format("reading {}: its tokenizer has a part \"{}\" where a BERT tokenizer has "
                     "\"{}\"; choose a model of the BERT family",
                     source, found, expected));
}

std::int32_t id_in(const json::value& value, std::size_t ids, const std::string& source) {
  json::error_code error;
  const auto id = value.is_number() ? value.to_number<std::int64_t>(error) : -1;
  ensure(!error.failed() && id >= 0 && static_cast<std::size_t>(id) < ids, ErrorKind::kCorrupt,
         fmt::format("reading {}: {} is no id of a vocabulary of {}; fetch the weights again",
                     source, json::serialize(value), ids));
  return static_cast<std::int32_t>(id);
}

std::vector<std::int32_t> decode(std::string_view text) {
  std::vector<std::int32_t> code_points;
  code_points.reserve(text.size());
  const auto* at = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  auto left = static_cast<utf8proc_ssize_t>(text.size());
  while (left > 0) {
    utf8proc_int32_t c = *at;
    const utf8proc_ssize_t used = c < 0x80 ? 1 : utf8proc_iterate(at, left, &c);
    code_points.push_back(used > 0 ? c : 0xFFFD);
    at += std::max<utf8proc_ssize_t>(used, 1);
    left -= std::max<utf8proc_ssize_t>(used, 1);
  }
  return code_points;
}

void clean(std::vector<std::int32_t>& text) {
  std::erase_if(text, [](std::int32_t c) { return c == 0 || is_bert_control(c); });
  for (std::int32_t& c : text)
    if (is_bert_space(c)) c = ' ';
}

void part_ideographs(std::vector<std::int32_t>& text) {
  if (std::none_of(text.begin(), text.end(), is_bert_ideograph)) return;
  std::vector<std::int32_t> parted;
  for (const std::int32_t c : text) {
    if (!is_bert_ideograph(c)) {
      parted.push_back(c);
      continue;
    }
    parted.insert(parted.end(), {' ', c, ' '});
  }
  text = std::move(parted);
}

}  // namespace

WordPiece::WordPiece(std::string_view text, const std::string& source) : source_(source) {
  const json::object root = parse_object(text, source);
  const json::object& model = object_of(root, "model", source);
  expect_type(model, "WordPiece", source);
  const json::object& normaliser = object_of(root, "normalizer", source);
  expect_type(normaliser, "BertNormalizer", source);
  expect_type(object_of(root, "pre_tokenizer", source), "BertPreTokenizer", source);
  clean_ = flag_of(normaliser, "clean_text", true);
  ideographs_ = flag_of(normaliser, "handle_chinese_chars", true);
  lower_ = flag_of(normaliser, "lowercase", true);
  accents_ = flag_of(normaliser, "strip_accents", lower_);
  prefix_ = text_of(model, "continuing_subword_prefix");
  if (const json::value* longest = model.if_contains("max_input_chars_per_word"))
    longest_word_ = static_cast<std::size_t>(id_in(*longest, 1 << 20, source));
  const json::object& vocabulary = object_of(model, "vocab", source);
  constexpr std::size_t kMostIds = 1u << 24;
  for (const auto& [key, value] : vocabulary) {
    pieces_.emplace(std::string_view(key), id_in(value, kMostIds, source));
    longest_piece_ = std::max(longest_piece_, key.size());
  }
  if (const json::value* added = root.if_contains("added_tokens"); added && added->is_array())
    for (const json::value& token : added->get_array()) {
      const json::object* entry = token.if_object();
      const json::value* id = entry ? entry->if_contains("id") : nullptr;
      ensure(id != nullptr, ErrorKind::kCorrupt,
             fmt::format("reading {}: an added token has no id; fetch the weights again", source));
      for (const char* option : {"single_word", "lstrip", "rstrip", "normalized"})
        ensure(!flag_of(*entry, option, false), ErrorKind::kIncompatible,
               fmt::format("reading {}: added token \"{}\" asks for \"{}\", which is not supported",
                           source, text_of(*entry, "content"), option));
      const std::string content = text_of(*entry, "content");
      special_.emplace_back(content, id_in(*id, kMostIds, source));
      pieces_.emplace(content, special_.back().second);
    }
  std::erase_if(special_, [](const auto& token) { return token.first.empty(); });
  // The longest of those that begin at one place wins.
  std::stable_sort(special_.begin(), special_.end(),
                   [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
  const std::string unknown = text_of(model, "unk_token");
  unknown_ = id_of(unknown);
  begin_ = id_of("[CLS]");
  end_ = id_of("[SEP]");
  for (const auto& [piece, id] : pieces_) id_count_ = std::max(id_count_, id + 1);
}

std::int32_t WordPiece::id_of(std::string_view token) const {
  const auto found = pieces_.find(token);
  ensure(found != pieces_.end(), ErrorKind::kIncompatible,
         fmt::format("reading {}: its vocabulary has no \"{}\"; choose a model of the BERT family",
                     source_, token));
  return found->second;
}

std::vector<std::int32_t> WordPiece::encode(std::string_view text, std::size_t longest) const {
  std::vector<std::int32_t> ids{begin_};
  std::size_t plain = 0, at = 0;
  while (at < text.size() && ids.size() < longest) {
    const auto starts_here = [&](const auto& token) {
      return text.substr(at).starts_with(token.first);
    };
    const auto found = std::find_if(special_.begin(), special_.end(), starts_here);
    if (found == special_.end()) {
      ++at;
      continue;
    }
    add_plain(text.substr(plain, at - plain), ids);
    ids.push_back(found->second);
    plain = at += found->first.size();
  }
  add_plain(text.substr(plain, text.size() - plain), ids);
  ids.resize(std::min(ids.size(), std::max<std::size_t>(longest, 2) - 1));
  ids.push_back(end_);
  return ids;
}

// Ids of text without special tokens.
void WordPiece::add_plain(std::string_view text, std::vector<std::int32_t>& ids) const {
  if (text.empty()) return;
  std::vector<std::int32_t> characters = decode(text), word;
  if (clean_) clean(characters);
  if (ideographs_) part_ideographs(characters);
  if (accents_) strip_accents(characters);
  if (lower_) lower_case(characters);
  for (const std::int32_t c : characters) {
    const bool alone = is_bert_punctuation(c);
    if (!alone && !is_bert_space(c)) {
      word.push_back(c);
      continue;
    }
    add_word(word, ids);
    word.assign(alone ? 1 : 0, c);
    if (alone) add_word(word, ids);
    word.clear();
  }
  add_word(word, ids);
}

void WordPiece::add_word(const std::vector<std::int32_t>& word,
                         std::vector<std::int32_t>& ids) const {
  if (word.empty()) return;
  if (word.size() > longest_word_) {
    ids.push_back(unknown_);
    return;
  }
  std::string bytes;
  std::vector<std::size_t> starts;  // of each character, and the end
  for (const std::int32_t c : word) {
    utf8proc_uint8_t encoded[4];
    starts.push_back(bytes.size());
    bytes.append(reinterpret_cast<const char*>(encoded),
                 static_cast<std::size_t>(utf8proc_encode_char(c, encoded)));
  }
  starts.push_back(bytes.size());
  const std::size_t first_id = ids.size();
  std::string piece;
  for (std::size_t begin = 0; begin < word.size();) {
    std::size_t end = word.size();
    Pieces::const_iterator found = pieces_.end();
    for (; end > begin && found == pieces_.end(); --end) {
      if (starts[end] - starts[begin] > longest_piece_) continue;
      piece.assign(begin > 0 ? prefix_ : "");
      piece.append(bytes, starts[begin], starts[end] - starts[begin]);
      found = pieces_.find(piece);
    }
    if (found == pieces_.end()) {
      ids.resize(first_id);
      ids.push_back(unknown_);
      return;
    }
    ids.push_back(found->second);
    begin = end + 1;
  }
}

std::string tokenizer_json_of(std::string_view vocabulary, std::string_view config,
                              const std::string& source) {
  const json::object options = config.empty() ? json::object() : parse_object(config, source);
  json::object pieces;
  json::array added;
  for (std::int64_t id = 0; !vocabulary.empty(); ++id) {
    const std::size_t end = std::min(vocabulary.find('\n'), vocabulary.size());
    std::string_view piece = vocabulary.substr(0, end);
    vocabulary.remove_prefix(std::min(end + 1, vocabulary.size()));
    if (piece.ends_with('\r')) piece.remove_suffix(1);
    pieces[piece] = id;
    if (std::find(std::begin(kSpecialTokens), std::end(kSpecialTokens), piece) ==
        std::end(kSpecialTokens))
      continue;
    added.push_back({{"id", id},
                     {"content", piece},
                     {"special", true},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false}});
  }
  const auto id_of = [&](std::string_view token) {
    const json::value* id = pieces.if_contains(token);
    return id != nullptr ? *id : json::value(0);
  };
  const auto special = [](std::string_view name) {
    return json::object{{"SpecialToken", {{"id", name}, {"type_id", 0}}}};
  };
  const json::array single{special("[CLS]"),
                           json::object{{"Sequence", {{"id", "A"}, {"type_id", 0}}}},
                           special("[SEP]")};
  const auto entry = [&](std::string_view name) {
    return json::object{
        {"id", name}, {"ids", json::array{id_of(name)}}, {"tokens", json::array{name}}};
  };
  const json::value* accents = options.if_contains("strip_accents");
  return json::serialize(
      json::object{{"version", "1.0"},
                   {"truncation", nullptr},
                   {"padding", nullptr},
                   {"added_tokens", added},
                   {"normalizer",
                    {{"type", "BertNormalizer"},
                     {"clean_text", true},
                     {"handle_chinese_chars", flag_of(options, "tokenize_chinese_chars", true)},
                     {"strip_accents", accents != nullptr ? *accents : json::value(nullptr)},
                     {"lowercase", flag_of(options, "do_lower_case", true)}}},
                   {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
                   {"post_processor",
                    {{"type", "TemplateProcessing"},
                     {"single", single},
                     {"pair", single},
                     {"special_tokens", {{"[CLS]", entry("[CLS]")}, {"[SEP]", entry("[SEP]")}}}}},
                   {"decoder", {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}}},
                   {"model",
                    {{"type", "WordPiece"},
                     {"unk_token", "[UNK]"},
                     {"continuing_subword_prefix", "##"},
                     {"max_input_chars_per_word", 100},
                     {"vocab", pieces}}}});
}

}  // namespace dexter
