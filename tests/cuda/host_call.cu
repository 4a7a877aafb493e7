// A call of a host function in device code, which the build must refuse: a test compiles this file and reads the error.

namespace {
int on_host(int x) { return x + 1; }

template <class T>
__host__ __device__ T on_both(T x) {
  return on_host(x);
}

__global__ void kernel(int* x) { *x = on_both(*x); }
}  // namespace

void launch(int* x) { kernel<<<1, 1>>>(x); }
