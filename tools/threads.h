#pragma once

namespace dexter {

// Cores this process may use: its affinity, cut to the CPU quota of its control group.
int usable_cores();

// Sizes the pools of LibTorch, MKL and OpenMP (FAISS); 0 takes usable_cores(). Once, before any
// work.
void set_threads(int threads);

}  // namespace dexter
