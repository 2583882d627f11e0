// Changes of the store: off the threads of sockets, and what becomes of them when the disk is full.
#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include "engine/api_call.h"
#include "storage/error.h"

namespace dexter {
namespace {

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

const StoreChanges* changes_of(const std::shared_ptr<ApiCall>& call) {
  if (call->parts.changes == nullptr)
    call->reply(
        problem(403, "this server only reads its store; send changes to the one that writes"));
  return call->parts.changes;
}

void submit(TaskPool& pool, const std::shared_ptr<ApiCall>& call,
            std::function<HttpReply()> change) {
  if (pool.submit([call, change = std::move(change)] { run(call, change); })) return;
  call->reply(call->parts.stopping()
                  ? try_again(503, "the server is stopping; ask another one")
                  : try_again(429, "too many changes wait already; send it again later"));
}

}  // namespace

void change_store(const std::shared_ptr<ApiCall>& call,
                  std::function<HttpReply(LiveStore& store)> change) {
  const StoreChanges* changes = changes_of(call);
  if (changes == nullptr) return;
  submit(changes->writers, call,
         [changes, change = std::move(change)] { return change(changes->store); });
}

void answer_compact(const std::shared_ptr<ApiCall>& call) {
  const StoreChanges* changes = changes_of(call);
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

}  // namespace dexter
