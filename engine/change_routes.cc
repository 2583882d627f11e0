// Changes of the store: off the threads of sockets, once for each Idempotency-Key, and what becomes
// of them when the disk is full.
#include <chrono>
#include <ctime>
#include <utility>

#include <spdlog/fmt/chrono.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include "engine/api_call.h"
#include "engine/json_fields.h"
#include "engine/json_text.h"
#include "storage/error.h"

namespace dexter {
namespace {

constexpr std::size_t kLongestIdempotencyKey = 255;
constexpr std::chrono::seconds kCompactionPause{60};

// What a change throws that did not reach the disk.
HttpReply refused_by_disk(const Error& error) {
  spdlog::error("changing the store: {}", error.what());
  return try_again(507,
                   "the disk takes no change, it is full or fails; nothing was acknowledged, "
                   "queries are answered as before; send it again once there is space");
}

void run(const std::shared_ptr<ApiCall>& call, const std::function<HttpReply()>& change) {
  guarded(call, [&] {
    try {
      call->reply(change());
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kIo) throw;
      call->reply(refused_by_disk(error));
    }
  });
}

StoreChanges* changes_of(const std::shared_ptr<ApiCall>& call) {
  if (call->parts.changes == nullptr)
    call->reply(
        problem(403, "this server only reads its store; send changes to the one that writes"));
  return call->parts.changes;
}

HttpReply no_room(const ApiCall& call) {
  return call.parts.stopping()
             ? try_again(503, "the server is stopping; ask another one")
             : try_again(429, "too many changes wait already; send it again later");
}

void submit(TaskPool& pool, const std::shared_ptr<ApiCall>& call,
            std::function<HttpReply()> change) {
  if (!pool.submit([call, change = std::move(change)] { run(call, change); }))
    call->reply(no_room(*call));
}

// Answers as soon as the change waits; what becomes of it is in the log alone.
void submit_async(TaskPool& pool, const std::shared_ptr<ApiCall>& call,
                  std::function<HttpReply()> change) {
  const ReplyFunction reply = std::exchange(call->reply, [](HttpReply&& made) {
    if (made.status >= 400)
      spdlog::error("a change with durability=async failed: {} {}", made.status, made.body);
  });
  const bool taken = pool.submit([call, change = std::move(change)] { run(call, change); });
  reply(taken ? HttpReply{.status = 202, .body = R"({"accepted":true})"} : no_room(*call));
}

// Once for its Idempotency-Key, if it has one. False where it is answered already.
bool begins(const std::shared_ptr<ApiCall>& call, IdempotentReplies& replies) {
  const std::string_view given = call->request.header("idempotency-key");
  if (given.empty()) return true;
  ensure(given.size() <= kLongestIdempotencyKey, ErrorKind::kInvalidInput,
         fmt::format("reading the request: its Idempotency-Key has {} bytes, at most {} are taken",
                     given.size(), kLongestIdempotencyKey));
  const std::string key = fmt::format("{}\n{}\n{}", given, call->request.header("authorization"),
                                      call->request.header("x-api-key"));
  if (auto former = replies.begin(key, call->request)) {
    call->reply(std::move(*former));
    return false;
  }
  call->reply = [key, &replies, reply = std::move(call->reply)](HttpReply&& made) {
    replies.end(key, made);
    reply(std::move(made));
  };
  return true;
}

bool is_async(const ApiCall& call) {
  const auto durability = call.parameter("durability");
  ensure(!durability || *durability == "sync" || *durability == "async", ErrorKind::kInvalidInput,
         "reading the request: 'durability' is neither 'sync' nor 'async'; leave it out for sync");
  return durability == "async";
}

// Compacts beside everything else once enough labels changed.
void compact_if_due(StoreChanges& changes) {
  const std::size_t due = changes.compact_changes;
  if (due == 0 || changes.store.changed_labels() < due) return;
  if (changes.compaction_waits.exchange(true)) return;
  const bool taken = changes.upkeep.submit([&changes] {
    const auto now = [] { return std::chrono::steady_clock::now(); };
    try {
      if (now() >= changes.compact_after) changes.store.compact(changes.progress);
    } catch (const Error& error) {
      changes.compact_after = now() + kCompactionPause;
      spdlog::error("compacting beside the queries: {}", error.what());
    }
    changes.compaction_waits = false;
  });
  if (!taken) changes.compaction_waits = false;
}

std::string name_of_now() {
  return fmt::format("{:%Y-%m-%dT%H-%M-%SZ}", fmt::gmtime(std::time(nullptr)));
}

}  // namespace

void change_store(const std::shared_ptr<ApiCall>& call,
                  std::function<HttpReply(LiveStore& store)> change) {
  StoreChanges* changes = changes_of(call);
  if (changes == nullptr) return;
  const bool async = is_async(*call);
  if (!begins(call, changes->replies)) return;
  auto made = [changes, change = std::move(change)] {
    HttpReply reply = change(changes->store);
    compact_if_due(*changes);
    return reply;
  };
  (async ? submit_async : submit)(changes->writers, call, std::move(made));
}

void answer_compact(const std::shared_ptr<ApiCall>& call) {
  StoreChanges* changes = changes_of(call);
  if (changes == nullptr) return;
  submit(changes->upkeep, call, [changes] {
    changes->store.compact(changes->progress);
    const auto engine = changes->store.engine();
    HttpReply reply;
    reply.body = fmt::format(R"({{"generation":{},"labels":{}}})", engine->generation(),
                             engine->label_count());
    return reply;
  });
}

void answer_snapshot(const std::shared_ptr<ApiCall>& call) {
  StoreChanges* changes = changes_of(call);
  if (changes == nullptr) return;
  std::string name = name_of_now();
  if (!call->request.body.empty()) {
    JsonFields fields(call->request.body);
    name = fields.text("name", 4096).value_or(name);
    fields.end();
  }
  submit(changes->upkeep, call, [changes, name] {
    const std::filesystem::path folder = changes->store.snapshot(name);
    HttpReply reply{.status = 201};
    reply.body = R"({"name":)";
    append_json(reply.body, name);
    reply.body += R"(,"store":)";
    append_json(reply.body, folder.string());
    reply.body += '}';
    return reply;
  });
}

void answer_reload(const std::shared_ptr<ApiCall>& call) {
  if (!call->parts.reload)
    return call->reply(problem(403, "this server has nothing to read again"));
  call->parts.reload([call](const std::exception_ptr& failure) {
    if (failure) return call->reply(problem_of(failure));
    const auto engine = call->parts.engine();
    HttpReply reply;
    reply.body = fmt::format(R"({{"generation":{},"labels":{}}})", engine->generation(),
                             engine->label_count());
    call->reply(std::move(reply));
  });
}

}  // namespace dexter
