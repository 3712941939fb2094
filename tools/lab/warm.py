"""What `make lab WARM=1` adds: kernels forked from a warm process."""

from nbval_strict import warm_kernels

print(warm_kernels.use())
warm_kernels.preload()
