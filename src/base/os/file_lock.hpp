// SPDX-License-Identifier: Apache-2.0
// One at a time for a path, among processes and threads: for reading a file, adding to it and
// writing it anew (AtomicFile) without losing what another adds in between. It binds only those who
// take it. Gone with the process, however that ends.
#pragma once

#include <memory>
#include <string>

namespace strop::os {

class FileLock {
 public:
  // Waits. The file is made, empty, where there is none and the system locks files themselves.
  // Without a lock, never with an error, where the file system has none or the folder cannot be
  // written to.
  explicit FileLock(const std::string& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  struct Held;
  std::unique_ptr<Held> held_;
};

}  // namespace strop::os
