// Documents that are remembered: /v1/documents and /v1/documents/{key}.
#include <spdlog/fmt/fmt.h>

#include "engine/api_call.h"
#include "engine/json_fields.h"
#include "engine/json_text.h"
#include "storage/error.h"

namespace dexter {
namespace {

constexpr std::size_t kLongestKey = 4096;
constexpr std::size_t kMostLabels = 10'000;  // of one document

LiveStore::Document read_document(const ApiCall& call, JsonFields& fields, std::string key) {
  const auto bytes = static_cast<std::size_t>(call.parts.options.text_bytes);
  LiveStore::Document document{std::move(key), {}, {}};
  document.text = fields.text("text", bytes).value_or("");
  document.labels =
      fields.texts("labels", kMostLabels, kLongestKey).value_or(std::vector<std::string>{});
  fields.end();
  return document;
}

std::vector<LiveStore::Document> read_documents(const ApiCall& call) {
  const auto most = static_cast<std::size_t>(call.parts.options.max_labels);
  JsonFields fields(call.request.body);
  auto rows = fields.objects("documents", most);
  fields.end();
  ensure(rows.has_value(), ErrorKind::kInvalidInput,
         "reading the request: 'documents' is missing; send {\"documents\": [{\"key\", \"text\", "
         "\"labels\"}]}");
  std::vector<LiveStore::Document> documents;
  for (JsonFields& row : *rows) {
    auto key = row.text("key", kLongestKey);
    ensure(
        key.has_value(), ErrorKind::kInvalidInput,
        fmt::format("reading the request: document {} of 'documents' has no 'key'; give each one",
                    documents.size() + 1));
    documents.push_back(read_document(call, row, std::move(*key)));
  }
  return documents;
}

HttpReply document_reply(int status, const LiveStore::Document& document) {
  HttpReply reply{.status = status};
  reply.body = R"({"key":)";
  append_json(reply.body, document.key);
  reply.body += R"(,"text":)";
  append_json(reply.body, document.text);
  reply.body += R"(,"labels":[)";
  for (std::size_t i = 0; i < document.labels.size(); ++i) {
    if (i > 0) reply.body += ',';
    append_json(reply.body, document.labels[i]);
  }
  reply.body += "]}";
  return reply;
}

HttpReply no_document() { return problem(404, "there is no document of this key"); }

}  // namespace

void answer_document(const std::shared_ptr<ApiCall>& call) {
  const auto reply_of = [](const std::optional<LiveStore::Document>& document) {
    return document ? document_reply(200, *document) : no_document();
  };
  if (call->parts.changes == nullptr)
    return call->reply(
        reply_of(LiveStore::find_document(call->parts.engine()->catalog(), call->argument)));
  change_store(call, [reply_of, key = call->argument](LiveStore& store) {
    return reply_of(store.find_document(key));
  });
}

void put_document(const std::shared_ptr<ApiCall>& call) {
  JsonFields fields(call->request.body);
  LiveStore::Document document = read_document(*call, fields, call->argument);
  change_store(call, [document = std::move(document)](LiveStore& store) {
    const LiveStore::Written written = store.put_documents({&document, 1});
    return document_reply(written.created > 0 ? 201 : 200, document);
  });
}

void put_documents(const std::shared_ptr<ApiCall>& call) {
  change_store(call, [documents = read_documents(*call)](LiveStore& store) {
    const LiveStore::Written written = store.put_documents(documents);
    HttpReply reply;
    reply.body =
        fmt::format(R"({{"created":{},"replaced":{}}})", written.created, written.replaced);
    return reply;
  });
}

void remove_document(const std::shared_ptr<ApiCall>& call) {
  change_store(call, [key = call->argument](LiveStore& store) {
    if (store.remove_documents({&key, 1}) == 0) return no_document();
    return HttpReply{.body = R"({"removed":1})"};
  });
}

}  // namespace dexter
