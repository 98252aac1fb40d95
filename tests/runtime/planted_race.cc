// Two threads write one number on purpose. Run in the build with ThreadSanitizer only, where it must be
// caught.
#include <thread>

int main() {
  int shared = 0;
  std::thread other([&shared] { ++shared; });
  ++shared;
  other.join();
  return shared == 2 ? 0 : 1;
}
