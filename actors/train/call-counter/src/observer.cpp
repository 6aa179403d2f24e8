// Notes every operator that libtorch's dispatcher runs on this thread, by libtorch's own profiling hook.

#include <ATen/record_function.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace {

struct Calls {
  std::uint64_t outermost = 0;
  std::uint64_t all = 0;
};

struct Observed {
  at::CallbackHandle handle = 0;
  std::uint64_t depth = 0;
  std::map<std::string, Calls> calls;
};

thread_local std::unique_ptr<Observed> observed;

std::unique_ptr<at::ObserverContext> entered(const at::RecordFunction& function) {
  if (observed) {
    Calls& calls = observed->calls[function.name()];
    calls.all += 1;
    calls.outermost += observed->depth == 0 ? 1 : 0;
    observed->depth += 1;
  }
  return nullptr;
}

void left(const at::RecordFunction&, at::ObserverContext*) {
  if (observed) {
    observed->depth -= 1;
  }
}

}  // namespace

extern "C" void fastgarden_calls_start() {
  observed = std::make_unique<Observed>();
  observed->handle = at::addThreadLocalCallback(
      at::RecordFunctionCallback(entered, left).scopes({at::RecordScope::FUNCTION}));
}

extern "C" void fastgarden_calls_stop(
    void (*tell)(void*, const char*, std::size_t, std::uint64_t, std::uint64_t), void* listener) {
  at::removeCallback(observed->handle);
  const std::unique_ptr<Observed> seen = std::move(observed);
  for (const auto& [name, calls] : seen->calls) {
    tell(listener, name.data(), name.size(), calls.outermost, calls.all);
  }
}
