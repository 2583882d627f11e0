#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/json.hpp>

#include "tests/engine/ask_api.h"
#include "tests/engine/served_store.h"

namespace dexter::testing {

// The HTTP interface of a tiny store that is only read, without sockets.
class TinyApi : public ::testing::Test {
 protected:
  HttpReply ask(const std::string& method, const std::string& target,
                const std::string& body = {}) {
    return dexter::testing::ask(api_, method, target, body);
  }
  HttpReply query(const std::string& body) { return ask("POST", "/v1/query", body); }

  std::vector<std::string> keys(const boost::json::value& result) {
    std::vector<std::string> found;
    for (const boost::json::value& label : result.at("labels").as_array())
      found.emplace_back(label.at("key").as_string());
    return found;
  }

  static ServeOptions options() {
    ServeOptions options;
    options.max_k = 50;
    options.max_texts = 3;
    options.text_bytes = 100;
    return options;
  }

  bool stopping_ = false;
  ApiKeys keys_;
  QueryBatcher batcher_{{.workers = 1}, [] { return tiny::shared_engine(); }};
  HttpApi api_{{.options = options(),
                .version = "1.2.3",
                .batcher = batcher_,
                .engine = [] { return tiny::shared_engine(); },
                .stopping = [this] { return stopping_; },
                .keys = keys_}};
};

}  // namespace dexter::testing
