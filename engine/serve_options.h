#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/device_options.h"

namespace dexter {

// How `dexter serve` listens, what it takes at most, and how it batches. A request beyond a limit
// is refused with an answer that names the limit. Times are milliseconds.
struct ServeOptions {
  std::string host = "127.0.0.1";
  int port = 8080;                       // 0: any free one
  std::string api_key_file;              // as ApiKeys reads it; empty: no key is wanted
  std::string tls_certificate, tls_key;  // PEM files; both empty: in the clear
  std::string cors_origins;  // of pages that may ask, as allowed_origin reads it; empty: none
  int io_threads = 0;        // sockets, parsing, answers from the cache; 0: one for two cores
  int workers = 2;  // threads that encode and search, a batch each, with their share of the cores

  int connections = 4096;
  int header_bytes = 16384;
  int body_bytes = 8 << 20;
  int header_ms = 10000;  // from the first byte of a request to the end of its header
  int body_ms = 30000;
  int write_ms = 30000;
  int idle_ms = 60000;  // between requests of a connection
  // After a stop is asked for, /readyz says so and answers close their connections, but requests
  // are taken for this long: until whoever sends them has noticed. More than a proxy's interval
  // between checks.
  int grace_ms = 0;
  int drain_ms = 30000;

  DeviceOptions search;  // where a flat or ivf index is searched
  int max_k = 2048;
  int max_offset = 100000;
  int max_texts = 1024;
  int text_bytes = 65536;
  int timeout_ms = 10000;  // of a query that names none, and the most it may name

  int queue = 2048;  // texts waiting; beyond it 429
  // Connections that are read again a second after a 429, one after another, none waits for longer
  // than a second (their Retry-After); 0: at once. Clients that ask again at once would otherwise
  // take the cores that answers need.
  int refused_per_s = 1000;
  int batch = 128;  // texts encoded and searched together, at most
  int batch_bytes = 65536;
  int window_us = 0;  // what a batch waits for more texts under load, at most

  int cache_mb = 64;  // answers that are kept for queries that come again; 0: none

  int writers = 8;              // threads for changes; as many as may share a synchronous write
  int write_queue = 1024;       // changes waiting; beyond it 429
  int max_labels = 10000;       // of one change
  int compact_changes = 20000;  // changed labels that are taken into the index; 0: when asked only
  bool read_only = false;       // many servers of one store; changes are refused

  bool access_log = false;  // a log line for each request
  bool log_texts = false;   // the line holds the request's body

  void validate() const;  // kInvalidInput naming the option, its value and its range
};

template <class Visitor>
void visit(Visitor& v, ServeOptions& o) {
  v("host", o.host, "address to listen on; 0.0.0.0 or :: for every interface");
  v("port", o.port, "port to listen on; 0 takes a free one");
  v("api_key_file", o.api_key_file, "file of the keys that are taken; empty: no key is wanted");
  v("tls_certificate", o.tls_certificate,
    "PEM file of the certificate and its chain, for HTTPS; a reload reads it again");
  v("tls_key", o.tls_key, "PEM file of the certificate's key");
  v("cors_origins", o.cors_origins,
    "origins whose pages may ask from a browser, with commas between, or *; empty: none");
  v("io_threads", o.io_threads, "threads for sockets and parsing; 0: one for two cores");
  v("workers", o.workers,
    "threads that encode and search a batch each, with their share of the cores");
  v("connections", o.connections, "open connections; one more is answered 503");
  v("header_bytes", o.header_bytes, "bytes of a request's header; more is answered 431");
  v("body_bytes", o.body_bytes, "bytes of a request's body; more is answered 413");
  v("header_ms", o.header_ms, "time for a header to arrive; later is answered 408");
  v("body_ms", o.body_ms, "time for a body to arrive; later is answered 408");
  v("write_ms", o.write_ms, "time for a client to take its answer");
  v("idle_ms", o.idle_ms, "time a connection may stay open without a request");
  v("grace_ms", o.grace_ms,
    "time for a proxy to notice that the server stops, while requests are still taken");
  v("drain_ms", o.drain_ms, "time for requests in flight to end when the server stops");
  v("device", o.search.name, "where a flat or ivf index is searched: cpu, cuda, or auto");
  v("device_memory", o.search.memory,
    "what an index may take of a GPU: up to 1 a share of its free memory, above MiB; compacting "
    "and reloading hold two copies for a moment, else the new one is searched on the processors");
  v("device_replicas", o.search.replicas, "ivf on several GPUs: all of it on each, not a part");
  v("device_codes", o.search.codes,
    "ivf on GPUs: bytes of a vector in product-quantised codes, which miss some answers; 0: none");
  v("max_k", o.max_k, "labels that a query may ask for");
  v("max_offset", o.max_offset, "better labels that a query may pass over, page by page");
  v("max_texts", o.max_texts, "texts of one request");
  v("text_bytes", o.text_bytes, "bytes of one text");
  v("timeout_ms", o.timeout_ms, "time for a query to be answered; later is answered 504");
  v("queue", o.queue, "texts that may wait; more are answered 429");
  v("refused_per_s", o.refused_per_s,
    "connections that are read again a second after a 429, each within a second; 0: all at once");
  v("batch", o.batch, "texts encoded and searched together");
  v("batch_bytes", o.batch_bytes, "bytes of the texts encoded together");
  v("window_us", o.window_us, "microseconds that a batch waits for more texts under load");
  v("cache_mb", o.cache_mb,
    "MiB of answers kept for queries that come again byte for byte; 0: none");
  v("writers", o.writers, "changes of the store that may share a synchronous write");
  v("write_queue", o.write_queue, "changes that may wait; more are answered 429");
  v("compact_changes", o.compact_changes,
    "changed labels from which on the server compacts beside the queries; 0: when asked only");
  v("read_only", o.read_only,
    "whether the store is only read, by as many servers as you like; a reload opens what another "
    "process wrote");
  v("max_labels", o.max_labels, "labels that one request may add");
  v("access_log", o.access_log, "whether each request is a line of the log");
  v("log_texts", o.log_texts, "whether that line holds what was asked: the request's body");
}

}  // namespace dexter
