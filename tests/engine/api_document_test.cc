// The OpenAPI document and the pages in the binary.
#include "engine/api_document.h"

#include <set>
#include <string>

#include <gmock/gmock.h>
#include <boost/json.hpp>

#include "engine/api_call.h"
#include "engine/web_files.h"
#include "tests/engine/tiny_api.h"

namespace dexter {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TinyApi;

std::string_view file(std::string_view name) {
  for (const WebFile& each : web_files())
    if (each.name == name) return each.bytes;
  ADD_FAILURE() << name;
  return {};
}

// Calls `visit` with every value of a document.
template <class Visit>
void walk(const json::value& value, const Visit& visit) {
  visit(value);
  if (value.is_object())
    for (const auto& member : value.as_object()) walk(member.value(), visit);
  if (value.is_array())
    for (const json::value& each : value.as_array()) walk(each, visit);
}

class ApiDocument : public TinyApi {
 protected:
  json::value document_ = testing::document_of(api_);
};

TEST_F(ApiDocument, DescribesEveryRouteAndNothingElse) {
  std::set<std::string> routes, described;
  for (const RouteRow& row : api_routes())
    routes.insert(std::string(row.method) + ' ' + std::string(row.path));
  const json::value source = json::parse(file("api.json"));
  for (const auto& operation : source.at("operations").as_object())
    described.emplace(operation.key());
  EXPECT_EQ(described, routes) << "say in engine/web/api.json what each route does";
  std::size_t operations = 0;
  for (const auto& path : document_.at("paths").as_object())
    operations += path.value().as_object().size();
  EXPECT_EQ(operations, routes.size());
}

TEST_F(ApiDocument, NamesStatusesThatThereAreAndPartsThatAreThere) {
  for (const auto& path : document_.at("paths").as_object())
    for (const auto& operation : path.value().as_object())
      for (const auto& response : operation.value().at("responses").as_object())
        EXPECT_NE(status_text(std::stoi(std::string(response.key()))), "Unknown") << path.key();
  std::set<std::string> used;
  walk(document_, [&](const json::value& value) {
    const bool is_limit = value.is_string() && value.as_string().starts_with('$');
    EXPECT_FALSE(is_limit) << value;
    if (!value.is_object() || !value.as_object().contains("$ref")) return;
    const std::string name(value.at("$ref").as_string());
    json::error_code error;
    EXPECT_NE(document_.find_pointer(name.substr(1), error), nullptr) << name;
    used.insert(name);
  });
  for (const auto& schema : document_.at("components").at("schemas").as_object())
    EXPECT_TRUE(used.contains("#/components/schemas/" + std::string(schema.key())))
        << schema.key() << " is of no use";
}

TEST_F(ApiDocument, TellsTheLimitsOfTheServer) {
  const json::value& query = document_.at("components").at("schemas").at("Query");
  EXPECT_EQ(query.at("properties").at("k").at("maximum").to_number<int>(), 50);
  EXPECT_EQ(query.at("properties").at("texts").at("maxItems").to_number<int>(), 3);
  const json::value& vector = document_.at("components").at("schemas").at("Vector");
  EXPECT_EQ(vector.at("minItems").to_number<int>(), 32);
  EXPECT_EQ(json::serialize(query.at("properties").at("k").at("type")), R"(["integer","null"])");
  EXPECT_EQ(json::serialize(query.at("oneOf").at(1)),
            R"({"required":["texts"],"properties":{"text":{"type":"null"},)"
            R"("texts":{"type":"array"},"vectors":{"type":"null"}}})");
}

TEST_F(ApiDocument, AsksForAKeyWhereOneIsWanted) {
  const json::value wanted = json::parse(
      api_document(api_routes(), {.version = "1", .options = {}, .dim = 1, .keys_wanted = true}));
  EXPECT_EQ(wanted.at("paths").at("/v1/query").at("post").at("security").as_array().size(), 2u);
  EXPECT_FALSE(wanted.at("paths").at("/livez").at("get").as_object().contains("security"));
  EXPECT_FALSE(document_.at("paths").at("/v1/query").at("post").as_object().contains("security"));
}

TEST_F(ApiDocument, PagesComeFromTheBinaryAlone) {
  for (const char* target : {"/", "/docs"}) {
    const HttpReply page = ask("GET", target);
    EXPECT_EQ(page.status, 200);
    EXPECT_EQ(page.content_type, "text/html; charset=utf-8");
    EXPECT_THAT(page.headers, ::testing::Contains(::testing::Pair(
                                  "Content-Security-Policy", HasSubstr("default-src 'none'"))));
    for (const char* foreign : {"http:", "https:", "style=", "onclick=", "<style", "<script>"})
      EXPECT_THAT(page.body, Not(HasSubstr(foreign))) << target;
  }
  for (const WebFile& each : web_files()) {
    const HttpReply reply = ask("GET", "/web/" + std::string(each.name));
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, each.bytes);
    if (!each.name.ends_with(".js")) continue;
    for (const char* markup :
         {"innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "document.write"})
      EXPECT_THAT(reply.body, Not(HasSubstr(markup))) << each.name;
  }
  EXPECT_EQ(ask("GET", "/web/other").status, 404);
  EXPECT_EQ(ask("GET", "/web/../page.css").status, 404);
}

}  // namespace
}  // namespace dexter
