#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engine/http_message.h"
#include "engine/query_batcher.h"
#include "engine/retrieval_engine.h"
#include "engine/serve_options.h"

namespace dexter {

// What the routes work with; must outlive every reply.
struct ApiParts {
  ServeOptions options;
  std::string version;
  QueryBatcher& batcher;
  std::function<std::shared_ptr<const RetrievalEngine>()> engine;
  std::function<bool()> stopping;  // the server drains
};

// The HTTP interface without sockets: a table of routes (http_api.cc), each from a request to a
// reply. An Error becomes a problem: kInvalidInput 400, kNotFound 404, kUnavailable 503, others 500
// whose text is in the log alone. Safe from many threads.
class HttpApi {
 public:
  explicit HttpApi(ApiParts parts);
  // Calls `reply` once, now or from a worker of the batcher.
  void handle(HttpRequest&& request, ReplyFunction reply) const;

 private:
  ApiParts parts_;
};

}  // namespace dexter
