// The one thing of libtorch's CUDA allocator that tch doesn't offer: a limit on what it takes of a device.

#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>

#include <algorithm>
#include <cstring>
#include <exception>

// Limits this process's tensors on a device to a share of its memory, above 0 and at most 1. Returns whether it did; if not, says
// why in `what`, of `length` bytes.
extern "C" bool fastgarden_cap_memory(int device, double share, char* what, size_t length) {
  try {
    c10::cuda::CUDACachingAllocator::init(c10::cuda::device_count());
    c10::cuda::CUDACachingAllocator::setMemoryFraction(share, static_cast<c10::DeviceIndex>(device));
    return true;
  } catch (const std::exception& error) {
    if (length > 0) {
      const size_t count = std::min(length - 1, std::strlen(error.what()));
      std::memcpy(what, error.what(), count);
      what[count] = 0;
    }
    return false;
  }
}
