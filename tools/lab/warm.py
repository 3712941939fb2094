"""What `make lab` adds without WARM=0: kernels forked from a warm process."""

from nbval_strict import warm_kernels

print(warm_kernels.use())
warm_kernels.preload()
