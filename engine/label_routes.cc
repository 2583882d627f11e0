// The catalogue: /v1/labels and /v1/labels/{key}.
#include <spdlog/fmt/fmt.h>

#include "engine/api_call.h"
#include "engine/json_fields.h"
#include "engine/json_text.h"
#include "engine/offline.h"
#include "storage/error.h"

namespace dexter {
namespace {

constexpr std::size_t kLongestKey = 4096;

Label read_label(const ApiCall& call, JsonFields& fields, std::string key) {
  const auto bytes = static_cast<std::size_t>(call.parts.options.text_bytes);
  Label label{.id = {}, .key = std::move(key), .name = {}, .text = {}};
  label.name = fields.text("name", bytes).value_or("");
  label.text = fields.text("text", bytes).value_or("");
  fields.end();
  return label;
}

std::vector<Label> read_labels(const ApiCall& call) {
  const auto most = static_cast<std::size_t>(call.parts.options.max_labels);
  JsonFields fields(call.request.body);
  auto rows = fields.objects("labels", most);
  fields.end();
  ensure(rows.has_value(), ErrorKind::kInvalidInput,
         "reading the request: 'labels' is missing; send {\"labels\": [{\"key\", \"name\", "
         "\"text\"}]}");
  std::vector<Label> labels;
  for (JsonFields& row : *rows) {
    auto key = row.text("key", kLongestKey);
    ensure(key.has_value(), ErrorKind::kInvalidInput,
           fmt::format("reading the request: label {} of 'labels' has no 'key'; give each one",
                       labels.size() + 1));
    labels.push_back(read_label(call, row, std::move(*key)));
  }
  return labels;
}

HttpReply label_reply(int status, const Label& label) {
  HttpReply reply{.status = status};
  append_label(reply.body, label);
  return reply;
}

HttpReply no_label() { return problem(404, "there is no label of this key"); }

}  // namespace

void append_label(std::string& out, const Label& label) {
  out += R"({"key":)";
  append_json(out, label.key);
  out += R"(,"name":)";
  append_json(out, label.name);
  out += R"(,"text":)";
  append_json(out, label.text);
  out += '}';
}

void answer_label(const std::shared_ptr<ApiCall>& call) {
  const StoreChanges* changes = call->parts.changes;
  const std::optional<Label> label =
      changes != nullptr ? changes->store.find_label(call->argument)
                         : call->parts.engine()->catalog().find_label(call->argument);
  call->reply(label ? label_reply(200, *label) : no_label());
}

void put_label(const std::shared_ptr<ApiCall>& call) {
  JsonFields fields(call->request.body);
  Label label = read_label(*call, fields, call->argument);
  change_store(call, [label = std::move(label)](LiveStore& store) {
    const LiveStore::Written written = store.put_labels({&label, 1});
    return label_reply(written.created > 0 ? 201 : 200, completed_labels({&label, 1}).front());
  });
}

void put_labels(const std::shared_ptr<ApiCall>& call) {
  change_store(call, [labels = read_labels(*call)](LiveStore& store) {
    const LiveStore::Written written = store.put_labels(labels);
    HttpReply reply;
    reply.body = fmt::format(R"({{"created":{},"replaced":{},"labels":{}}})", written.created,
                             written.replaced, store.engine()->label_count());
    return reply;
  });
}

void remove_label(const std::shared_ptr<ApiCall>& call) {
  change_store(call, [key = call->argument](LiveStore& store) {
    if (store.remove_labels({&key, 1}) == 0) return no_label();
    HttpReply reply;
    reply.body = fmt::format(R"({{"removed":1,"labels":{}}})", store.engine()->label_count());
    return reply;
  });
}

}  // namespace dexter
