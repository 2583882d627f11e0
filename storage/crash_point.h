#pragma once

#include <functional>

namespace dexter {

// A named step on the way to a commit, at which the crash tests kill the process. Does nothing
// unless the environment asks: DEXTER_CRASH_AT=NAME or NAME:N sends SIGKILL to this process when
// the step is reached (for the Nth time), DEXTER_CRASH_LIST=FILE appends the name of every step
// reached to FILE. The steps are listed in storage/FORMAT.md.
void crash_point(const char* name);

// Calls `visit` at every step too, on the thread that reaches it and before it is killed; an empty
// one ends that. For tests that copy a store as a kill there would leave it. Not while another
// thread changes a store.
void watch_crash_points(std::function<void(const char* name)> visit);

}  // namespace dexter
